"""Altered model files of every format, by the ten thousand, against the readers: `python -m fuzz`."""
