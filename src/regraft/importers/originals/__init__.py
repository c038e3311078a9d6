"""The original of a converted network, run by the program that it was made for, to compare with.

One file for each runtime, all of them optional: `PACKAGE` (what is imported), `INSTALL` (what pip is told),
`version()`, and `run(path, batches, wanted)`. None of them uses Regraft's own readers for what it computes with: the
runtime opens the file itself. Files of Keras have a model for an original, see `keras`.
"""

import importlib
import importlib.util
import shlex
from types import ModuleType

from regraft import formats
from regraft.core.errors import RequestError
from regraft.importers.originals import torch_module
from regraft.importers.originals.ran import Ran

__all__ = ["RUNTIMES", "Ran", "runtime", "torch_module"]

# From the name of a format to the file here that runs it.
RUNTIMES = {
    formats.onnx.NAME: "onnxruntime",
    formats.caffe.NAME: "opencv",
    formats.tflite.NAME: "tflite",
    formats.tensorflow_graph.NAME: "tensorflow",
    formats.tensorflow_meta_graph.NAME: "tensorflow",
    formats.tensorflow_saved_model.NAME: "tensorflow",
}


def runtime(format_name: str) -> ModuleType:
    """What runs the originals of a format.

    Raises:
        RequestError: nothing does, or its package is not installed.
    """
    if format_name not in RUNTIMES:
        raise RequestError(
            f"expected a format whose original can be run ({', '.join(RUNTIMES)}), found {format_name}; "
            "leave --check out"
        )
    module = importlib.import_module(f"{__name__}.{RUNTIMES[format_name]}")
    if importlib.util.find_spec(module.PACKAGE) is None:
        raise RequestError(
            f"comparing with the original needs {module.PACKAGE}; install it with: pip install "
            f"{shlex.quote(module.INSTALL)}, or leave --check out"
        )
    return module
