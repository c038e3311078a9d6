"""Random versions of examples that show the same thing, one file for each kind of data: `view(x, ..., random)`."""
