"""A live module of PyTorch as the original: its answers from the module itself, what is inside from its ONNX file."""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import WorkError
from regraft.importers.originals import onnxruntime
from regraft.importers.originals.ran import Ran
from regraft.importers.torch_module.exporting import Exported

PACKAGE = "torch"

Array = np.ndarray[Any, Any]


class Runtime:
    """Runs one module; in evaluation mode, and it is left as it was."""

    def __init__(self, exported: Exported) -> None:
        """Take the module and the file that it was exported to."""
        self.exported = exported
        self._inside = importlib.util.find_spec(onnxruntime.PACKAGE) is not None

    def version(self) -> str:
        """The program and its version."""
        torch: Any = importlib.import_module(PACKAGE)
        return f"{PACKAGE} {torch.__version__}"

    def knows(self, wanted: Sequence[str]) -> frozenset[str]:
        """Which values it can compute: those inside of the module only where ONNX's runtime is installed."""
        return frozenset(wanted) if self._inside else frozenset(self.exported.outputs).intersection(wanted)

    def run(self, path: Path, batches: Sequence[Mapping[str, Array]], wanted: Sequence[str]) -> Ran:
        """Compute values of the module.

        Args:
            path: the file that it was exported to.
            batches: for each, arrays for the inputs.
            wanted: names of values of that file.

        Raises:
            WorkError: the module, or ONNX's runtime, does not take the arrays.
        """
        inner = [name for name in wanted if name not in self.exported.outputs]
        inside = onnxruntime.run(path, batches, inner).values if inner else [{}] * len(batches)
        found = [{**self._answers(given), **others} for given, others in zip(batches, inside, strict=True)]
        return Ran(tuple({name: values[name] for name in wanted} for values in found))

    def _answers(self, given: Mapping[str, Array]) -> dict[str, Array]:
        torch: Any = importlib.import_module(PACKAGE)
        examples = self.exported.examples
        tensors = {name: torch.as_tensor(values).to(examples[name]) for name, values in given.items()}
        try:
            answers = self.exported.called(tensors)
        except Exception as error:  # The module's own, of no common class.
            reason = " ".join(str(error).split())[:200]
            raise WorkError(f"the module does not take other examples than its own: {reason}") from error
        return {
            name: answer.detach().cpu().numpy() for name, answer in zip(self.exported.outputs, answers, strict=True)
        }
