"""From a source string to a live `keras.Model` with its input convention and a report of every tensor."""

from regraft.importers.conventions import applied
from regraft.importers.opening import open  # noqa: A004 - the verb of the front door, used as `regraft.open`
from regraft.importers.pretrained import Pretrained, require_picture

__all__ = ["Pretrained", "applied", "open", "require_picture"]
