"""Foreign graphs become Keras models through one narrow waist: `neutral`. A format is one table; so is Keras."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regraft.importers.graphs.converting import TABLES, Converted, convert, from_graph, handles, load

__all__ = ["TABLES", "Converted", "convert", "from_graph", "handles", "load"]


def __getattr__(name: str) -> Any:
    """Bring a name when it is first asked for: the neutral language itself needs no framework."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"{__name__}.converting"), name)
    globals()[name] = value
    return value
