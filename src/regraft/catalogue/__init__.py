"""The catalogue: cards of models, what finds them, and their weights at rest.

Imports no framework: `regraft zoo list` answers at once. What makes cards of live models, and models of cards, is
above.
"""

from regraft.catalogue.catalogue import Catalogue, Removed
from regraft.catalogue.entry import Entry
from regraft.catalogue.index.index import Filters
from regraft.catalogue.opening import default_folder, open_catalogue
from regraft.catalogue.parts import Parts

__all__ = ["Catalogue", "Entry", "Filters", "Parts", "Removed", "default_folder", "open_catalogue"]
