"""TensorFlow Lite models in TensorFlow's own interpreter, with every value inside kept."""

import importlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regraft.core.errors import WorkError
from regraft.importers.originals.ran import Array, Ran

PACKAGE = INSTALL = "tensorflow"


def version() -> str:
    """The runtime and its version."""
    return f"tensorflow {importlib.import_module(PACKAGE).__version__} (tf.lite.Interpreter)"


def run(path: Path, batches: Sequence[Mapping[str, Array]], wanted: Sequence[str]) -> Ran:
    """Compute values of the first graph, operator by operator.

    Args:
        path: the file.
        batches: arrays for the inputs, each with the batch that the file was written for.
        wanted: names of values anywhere in the graph.

    Raises:
        WorkError: the interpreter does not take the file or the arrays.
    """
    try:
        interpreter = _interpreter(path)
        places = _places(interpreter.get_tensor_details())
        return Ran(tuple(_answers(interpreter, places, given, wanted) for given in batches))
    except Exception as error:  # Its errors have no class in common.
        reason = " ".join(str(error).split())[:200]
        raise WorkError(f"{version()} does not run '{path}': {reason}; leave --check out") from error


def _interpreter(path: Path) -> Any:
    lite: Any = importlib.import_module(PACKAGE).lite
    # Delegates join operators, and what is between them is then never there.
    plain = lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with warnings.catch_warnings():
        # It announces that it will move to another package.
        warnings.simplefilter("ignore")
        return lite.Interpreter(
            model_content=path.read_bytes(),
            num_threads=1,
            experimental_op_resolver_type=plain,
            experimental_preserve_all_tensors=True,
        )


def _places(details: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The number of every value by its name; the second of one name is called `name#2`."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    for item in sorted(details, key=lambda item: item["index"]):
        name = item["name"] or f"tensor_{item['index']}"
        count = counts[name] = counts.get(name, 0) + 1
        found[name if count == 1 else f"{name}#{count}"] = item["index"]
    return found


def _answers(
    interpreter: Any, places: Mapping[str, int], given: Mapping[str, Array], wanted: Sequence[str]
) -> dict[str, Array]:
    types = {item["index"]: item["dtype"] for item in interpreter.get_input_details()}
    for name, values in given.items():
        interpreter.resize_tensor_input(places[name], values.shape)
    interpreter.allocate_tensors()
    for name, values in given.items():
        interpreter.set_tensor(places[name], values.astype(types[places[name]]))
    interpreter.invoke()
    return {name: interpreter.get_tensor(places[name]).copy() for name in wanted}
