"""From a source string to a live `keras.Model` with its input convention and a report of every tensor."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regraft.importers.conventions import applied
    from regraft.importers.opening import open  # noqa: A004 - the verb of the front door, used as `regraft.open`
    from regraft.importers.pretrained import Pretrained, require_picture

__all__ = ["Pretrained", "applied", "open", "require_picture"]

# Names come when they are asked for, so that `regraft inspect` recognises families of networks without a framework.
_WHERE = {"Pretrained": "pretrained", "applied": "conventions", "open": "opening", "require_picture": "pretrained"}


def __getattr__(name: str) -> Any:
    """Bring a name when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
