"""Labelled examples from whatever the user has: folders, tables, arrays, data sets of TensorFlow and Hugging Face."""

from regraft.data.asked_rows import rows_in
from regraft.data.decode import read_picture
from regraft.data.examples import SPLITS, Examples, Read, UnreadableExample
from regraft.data.opening import KINDS, has_columns, open_unlabelled, pictures_in
from regraft.data.opening import open_examples as open  # noqa: A004 - said as data.open

__all__ = [
    "KINDS",
    "SPLITS",
    "Examples",
    "Read",
    "UnreadableExample",
    "has_columns",
    "open",
    "open_unlabelled",
    "pictures_in",
    "read_picture",
    "rows_in",
]
