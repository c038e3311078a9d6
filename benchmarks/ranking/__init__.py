"""Rankings of sources, measured: the truth about every pair, and what choosing by scores gives up."""
