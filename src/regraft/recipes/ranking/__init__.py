"""Which source to reuse: candidates from everywhere, a quick look at each, a closer one at the better ones."""
