"""A live `torch.nn.Module`: exported as ONNX for an example input, then built as any graph is."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from regraft import formats
from regraft.core.errors import SourceError
from regraft.importers import graphs
from regraft.importers.graphs import Converted, onnx
from regraft.importers.pretrained import Opened, Request
from regraft.importers.torch_module import exporting, naming
from regraft.importers.torch_module.exporting import Exported
from regraft.importers.torch_module.modules import is_module

FORMAT = "torch-module"

__all__ = ["FORMAT", "Built", "built", "handles", "is_module", "load"]


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A module as a model, with the file in between; that file is there until the block that gave this ends."""

    converted: Converted
    exported: Exported


def handles(request: Request) -> bool:
    """Whether the source is a module of PyTorch."""
    return is_module(request.source)


def load(request: Request) -> Opened:
    """Build the module; it is not changed.

    Raises:
        SourceError: there is no example, PyTorch cannot export the module, or no part of it can be said in Keras.
    """
    with built(request.source, request.example, request.text) as made:
        return Opened(made.converted.built.model, made.converted.report)


@contextlib.contextmanager
def built(module: Any, example: Any, text: str) -> Generator[Built]:
    """Export the module, and make a trainable model of it.

    Args:
        module: a `torch.nn.Module`, in any mode; it is exported in evaluation mode and left as it was.
        example: what it is called with: a tensor or an array, a tuple of them, or a dictionary by argument. The first
            axis of each is that of the examples.
        text: the source in words.
    """
    if example is None:
        raise SourceError(
            f"expected an example input for {text}, found none; give what it is called with: "
            "example=torch.zeros(1, 3, 224, 224)"
        )
    with exporting.exported(module, example, text) as exported:
        archive = naming.without_prefix(formats.read(exported.path), exporting.PREFIX)
        graph = naming.after_parameters(onnx.neutral(archive), exported.parameters)
        yield Built(replace(graphs.from_graph(archive, graph, text), format=FORMAT), exported)
