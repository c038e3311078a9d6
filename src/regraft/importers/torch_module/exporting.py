"""A module as an ONNX file: by PyTorch's exporter of today where it is complete, or else by the one that traces.

Neither is let optimise: batch normalisation stays apart from the convolution before it, and every parameter keeps its
name.
"""

import contextlib
import importlib
import importlib.util
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regraft.core.errors import SourceError
from regraft.core.progress import warn
from regraft.importers.torch_module import modules

# The module is wrapped for the export; its parameters get this before their names.
PREFIX = "module."
# The exporter that traces writes no later one; the other chooses its own.
_OPSET = 17
# A message of ONNX cannot be larger than 2 GB; beyond half of that the values go into a file beside it.
_LARGEST_INSIDE = 1 << 30


# Takes the module, its arguments, names of inputs and of outputs, and the file to write.
Export = Callable[[Any, tuple[Any, ...], list[str], list[str], Path], None]


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """The file, and how it is related to the module.

    Attributes:
        path: of the file.
        module: that was exported.
        examples: the example by the name of the input, which is that of the argument.
        outputs: names of the outputs in the file, in the order in which the module answers them.
        keywords: whether the module is called by keyword.
        parameters: names of what the module learns.
    """

    path: Path
    module: Any
    examples: Mapping[str, Any]
    outputs: tuple[str, ...]
    keywords: bool
    parameters: frozenset[str]

    def called(self, given: Mapping[str, Any]) -> list[Any]:
        """The tensors that the module in evaluation mode answers for tensors by the name of the input."""
        torch: Any = sys.modules["torch"]
        values = [given[name] for name in self.examples]
        with modules.evaluating(self.module), torch.no_grad():
            return list(_answered(self.module, tuple(self.examples) if self.keywords else None, values))


@contextlib.contextmanager
def exported(module: Any, example: Any, text: str) -> Generator[Exported]:
    """Export the module for any number of examples; the file is there inside the block.

    Raises:
        SourceError: the example does not fit, or no exporter takes the module.
    """
    keywords = isinstance(example, Mapping)
    tensors = modules.arguments(module, example, text)
    parameters = frozenset(name for name, _ in module.named_parameters(remove_duplicate=False))
    names = tuple(tensors) if keywords else None
    with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
        path = Path(folder) / "module.onnx"
        with modules.evaluating(module):
            outputs = _outputs(module, names, tensors, text)
            _write(_wrapped(module, names), tensors, outputs, path, text)
        yield Exported(path, module, tensors, outputs, keywords, parameters)


def _outputs(module: Any, keywords: tuple[str, ...] | None, tensors: Mapping[str, Any], text: str) -> tuple[str, ...]:
    """Names for what the module answers, found by calling it: a call that fails says more than an export that does."""
    torch: Any = sys.modules["torch"]
    try:
        with torch.no_grad():
            count = len(_answered(module, keywords, list(tensors.values())))
    except Exception as error:  # The module's own, of no common class.
        shapes = ", ".join(f"'{name}' {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise SourceError(
            f"{text} does not take the example {shapes}: {_first_sentence(error)}; give what it is called with"
        ) from error
    if not count:
        raise SourceError(f"expected {text} to answer tensors, found none in what it answers for the example")
    return ("answer",) if count == 1 else tuple(f"answer_{number}" for number in range(1, count + 1))


def _write(wrapped: Any, tensors: Mapping[str, Any], outputs: Sequence[str], path: Path, text: str) -> None:
    # One example would be taken for a size that is always one.
    values = tuple(tensor if tensor.shape[0] > 1 else tensor.repeat(2, *[1] * (tensor.ndim - 1))
                   for tensor in tensors.values())  # fmt: skip
    said: list[str] = []
    for export in _exporters():
        try:
            with _without_triton(), _quietly() as remarks:
                export(wrapped, values, list(tensors), list(outputs), path)
        except Exception as error:  # Of a dozen classes, few of them public.
            said.append(f"{type(error).__name__}: {_first_sentence(error)}")
            continue
        followed = [remark for remark in remarks if remark]
        if followed:
            warn(f"{text} was traced with the example: {followed[0]}; the result holds where other inputs take that "
                 "way too")  # fmt: skip
        return
    raise SourceError(
        f"PyTorch {sys.modules['torch'].__version__} cannot export {text}: {'; '.join(said)}; export a part of it, or "
        "call it once with the example to see whether they fit"
    )


def _exporters() -> list[Export]:
    complete = all(importlib.util.find_spec(package) is not None for package in ("onnx", "onnxscript"))
    return [_by_graph, _by_tracing] if complete else [_by_tracing]


def _by_graph(wrapped: Any, values: tuple[Any, ...], names: list[str], outputs: list[str], path: Path) -> None:
    torch: Any = sys.modules["torch"]
    batch = torch.export.Dim("batch")
    large = sum(tensor.numel() * tensor.element_size() for tensor in wrapped.parameters()) > _LARGEST_INSIDE
    torch.onnx.export(
        wrapped, values, str(path), dynamo=True, optimize=False, verbose=False, external_data=large,
        input_names=names, output_names=outputs, dynamic_shapes=(tuple({0: batch} for _ in values),),
    )  # fmt: skip


def _by_tracing(wrapped: Any, values: tuple[Any, ...], names: list[str], outputs: list[str], path: Path) -> None:
    torch: Any = sys.modules["torch"]
    # In training, as far as the wrapper alone is concerned: in evaluation this exporter makes one of parameters that
    # happen to be equal, such as the scales of fresh normalisations.
    wrapped.training = True
    torch.onnx.export(
        wrapped, values, str(path), dynamo=False, opset_version=_OPSET, do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE, input_names=names, output_names=outputs,
        dynamic_axes={name: {0: "batch"} for name in names},
    )  # fmt: skip


def _wrapped(module: Any, keywords: tuple[str, ...] | None) -> Any:
    """A module that is called by position and answers tensors only."""
    torch: Any = sys.modules["torch"]

    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *values: Any) -> Any:
            return _answered(self.module, keywords, values)

    wrapped = Wrapped()
    wrapped.training = False
    return wrapped


def _answered(module: Any, keywords: tuple[str, ...] | None, values: Any) -> tuple[Any, ...]:
    if keywords is None:
        return tuple(_tensors(module(*values)))
    return tuple(_tensors(module(**dict(zip(keywords, values, strict=True)))))


def _tensors(answer: Any) -> Generator[Any]:
    """The tensors of whatever a module answers: alone, in tuples, in dictionaries."""
    torch: Any = sys.modules["torch"]
    if isinstance(answer, torch.Tensor):
        yield answer
    elif isinstance(answer, Mapping):
        for item in answer.values():
            yield from _tensors(item)
    elif isinstance(answer, (tuple, list)):
        for item in answer:
            yield from _tensors(item)


@contextlib.contextmanager
def _without_triton() -> Generator[None]:
    """PyTorch's compiler of kernels for graphics cards stays out where TensorFlow is in the process already.

    Both carry a library of compilers of one name, and the second to be loaded ends the process (seen with TensorFlow
    2.21 and Triton 3.7). Exporting needs no kernels.
    """
    hidden = "tensorflow" in sys.modules and "triton" not in sys.modules
    if hidden:
        sys.modules["triton"] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["triton"]


@contextlib.contextmanager
def _quietly() -> Generator[list[str]]:
    """What the exporters tell about themselves is not shown; what they took for granted is handed back."""
    remarks: list[str] = []
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("always")
            yield remarks
    finally:
        logger.setLevel(level)
    # What PyTorch's own modules ask of sizes holds for all of them.
    own = str(Path(sys.modules["torch"].__file__ or "").parent)
    traced = (item for item in caught if item.category.__name__ == "TracerWarning")
    remarks += [_first_sentence(item.message) for item in traced if not item.filename.startswith(own)]


def _first_sentence(said: object) -> str:
    return " ".join(str(said).split()).partition(". ")[0][:200]
