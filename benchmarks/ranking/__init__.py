"""Which source to reuse: what the first choice gives up against fine-tuning every source, and what choosing costs."""
