"""HDF5 at arm's length: read here, without its library; what a file holds itself, never what its links point at.

Nothing in here follows an address or believes a size that the file's own length does not warrant. What is damaged
raises an error of any kind; `damage.refusing_damage` makes it one clear line. What HDF5 has and this does not read is
refused by name.
"""

from regraft.formats.hdf5.entries import entry, text, texts
from regraft.formats.hdf5.files import Dataset, Group, Source, held, is_hdf5, source

__all__ = [
    "Dataset",
    "Group",
    "Source",
    "entry",
    "held",
    "is_hdf5",
    "source",
    "text",
    "texts",
]
