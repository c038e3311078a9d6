"""Measurements of pretraining: parity, what it is worth beside the same network from scratch, and what it costs."""
