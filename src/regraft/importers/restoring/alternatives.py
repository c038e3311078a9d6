"""What could go several ways, and how that is said."""

from dataclasses import dataclass

from regraft.importers.restoring.matching import Move


@dataclass(frozen=True, slots=True)
class Open:
    """Tensors that could be for these variables in more than one way.

    Attributes:
        tensors: names in the source.
        variables: names in the model.
        ways: what speaks for a way, and the way; empty where there are too many, or their numbers differ.
    """

    tensors: tuple[str, ...]
    variables: tuple[str, ...]
    ways: tuple[tuple[str, tuple[Move, ...]], ...] = ()

    def __str__(self) -> str:
        """In words for a message."""
        if not self.ways:
            return f"{_some(self.tensors)} could each be for any of {_some(self.variables)}"
        said = "; or ".join(
            f"{why}: {', '.join(f'{move.tensors[0]} -> {move.variables[0]}' for move in way[:4])}"
            f"{', ...' if len(way) > 4 else ''}"
            for why, way in self.ways
        )
        return f"{_some(self.tensors)} could go {said}"


def _some(names: tuple[str, ...], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
