"""Graphs that an archive keeps in its configuration as plain data, below `graph`, as operations."""

from collections.abc import Mapping
from typing import Any

from regraft.core.errors import SourceError
from regraft.core.tensors import Operation, OperationGraph, TensorArchive


def stated(archive: TensorArchive) -> tuple[Mapping[str, Any], tuple[Operation, ...]]:
    """What the configuration says of the graph, and its operations, each of which owns what it is called after.

    Raises:
        SourceError: the file holds no operations.
    """
    graph: Mapping[str, Any] = (archive.config or {}).get("graph", {})
    if not graph.get("operations"):
        raise SourceError(f"'{archive.metadata.get('path')}' holds tensors but no operations")
    return graph, tuple(
        Operation(
            item["name"], item["kind"], tuple(item["inputs"]), tuple(item["outputs"]), item["attributes"], item["name"]
        )
        for item in graph["operations"]
    )


def recognised(archive: TensorArchive) -> OperationGraph | None:
    """The graph of a file of weights whose network was recognised by their names; None where it was not."""
    if archive.config is None:
        return None
    graph, operations = stated(archive)
    return OperationGraph(graph["name"], operations, tuple(graph["inputs"]), tuple(graph["outputs"]), graph["shapes"])
