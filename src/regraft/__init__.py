"""Regraft reuses the layers of a pretrained network for a new task."""
