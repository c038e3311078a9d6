"""Families of networks whose state dicts are recognised by the names and shapes of their tensors.

One file for each family with `NAME`, `recognises(shapes)`, `draw(sketch, hints)`. No framework is imported.
"""

from regraft.importers.families.describing import described
from regraft.importers.families.recognising import FAMILIES, FORMATS, Recognised, recognised

__all__ = ["FAMILIES", "FORMATS", "Recognised", "described", "recognised"]
