"""Foreign graphs become Keras models through one narrow waist: `neutral`. A format is one table; so is Keras."""

from regraft.importers.graphs.converting import TABLES, Converted, convert, from_graph, handles, load

__all__ = ["TABLES", "Converted", "convert", "from_graph", "handles", "load"]
