"""Good examples made bad, one file for each kind of data: `corrupt(x, strength, random)`, and what it is about.

Whatever is drawn, `where` says what is different in the end: a black patch on black, or a word replaced by the same
word, is no corruption, and an example in which nothing changed is still a good one.
"""

from regraft.pretraining.corrupting.corrupted import Corrupted

__all__ = ["Corrupted"]
