"""Reads a `keras.Model`: names, cut points, digests, evaluation at any cut. Knows no file."""
