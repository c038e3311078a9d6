"""The original of a converted network, run by the program that it was made for, to compare with.

One file for each runtime, all of them optional: `PACKAGE`, `version()`, and `run(path, given, wanted)`.
"""

import importlib
import importlib.util
from types import ModuleType

from regraft.core.errors import RequestError
from regraft.importers.originals import torch_module

__all__ = ["RUNTIMES", "runtime", "torch_module"]

# From the name of a format to the file here that runs it.
RUNTIMES = {"onnx": "onnxruntime"}


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
            f"comparing with the original needs {module.PACKAGE}; install it with: pip install {module.PACKAGE}, "
            "or leave --check out"
        )
    return module
