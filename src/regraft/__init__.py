"""Regraft reuses the layers of a pretrained network for a new task, and proves what it did.

>>> import regraft
>>> sorted(regraft.__all__) == regraft.__all__
True
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from regraft.core.errors import RegraftError
    from regraft.core.input_spec import InputSpec
    from regraft.core.plan import Plan
    from regraft.data import Examples
    from regraft.data import open as open_data
    from regraft.graph.cut_points import cut_points
    from regraft.graph.names import variables
    from regraft.importers import Pretrained, open  # noqa: A004 - the verb, used as `regraft.open`
    from regraft.importers.optimizer_state.reading import optimizer_state
    from regraft.recipes.converting import convert
    from regraft.recipes.depth.asking import depth
    from regraft.recipes.estimator import TransferClassifier
    from regraft.recipes.exporting import export
    from regraft.recipes.finding import find_rate
    from regraft.recipes.inspecting import inspect
    from regraft.recipes.pretraining.asking import pretrain
    from regraft.recipes.ranking.asking import rank
    from regraft.recipes.restoring import restore
    from regraft.recipes.running import Run, fit, load, resume
    from regraft.recipes.using import evaluate, predict
    from regraft.surgery.cut import cut
    from regraft.surgery.freeze import freeze
    from regraft.surgery.graft import graft
    from regraft.training.custom import updates

__all__ = [
    "Examples",
    "InputSpec",
    "Plan",
    "Pretrained",
    "RegraftError",
    "Run",
    "TransferClassifier",
    "__version__",
    "convert",
    "cut",
    "cut_points",
    "depth",
    "evaluate",
    "export",
    "find_rate",
    "fit",
    "freeze",
    "graft",
    "inspect",
    "load",
    "open",
    "open_data",
    "optimizer_state",
    "predict",
    "pretrain",
    "rank",
    "restore",
    "resume",
    "updates",
    "variables",
]

# Names come when they are asked for, so that `regraft --help` and `regraft inspect` need no framework.
_WHERE = {
    "Examples": "regraft.data:Examples",
    "InputSpec": "regraft.core.input_spec:InputSpec",
    "Plan": "regraft.core.plan:Plan",
    "Pretrained": "regraft.importers:Pretrained",
    "RegraftError": "regraft.core.errors:RegraftError",
    "Run": "regraft.recipes.running:Run",
    "TransferClassifier": "regraft.recipes.estimator:TransferClassifier",
    "convert": "regraft.recipes.converting:convert",
    "cut": "regraft.surgery.cut:cut",
    "cut_points": "regraft.graph.cut_points:cut_points",
    "depth": "regraft.recipes.depth.asking:depth",
    "evaluate": "regraft.recipes.using:evaluate",
    "export": "regraft.recipes.exporting:export",
    "find_rate": "regraft.recipes.finding:find_rate",
    "fit": "regraft.recipes.running:fit",
    "freeze": "regraft.surgery.freeze:freeze",
    "graft": "regraft.surgery.graft:graft",
    "inspect": "regraft.recipes.inspecting:inspect",
    "load": "regraft.recipes.running:load",
    "open": "regraft.importers:open",
    "open_data": "regraft.data:open",
    "optimizer_state": "regraft.importers.optimizer_state.reading:optimizer_state",
    "predict": "regraft.recipes.using:predict",
    "pretrain": "regraft.recipes.pretraining.asking:pretrain",
    "rank": "regraft.recipes.ranking.asking:rank",
    "restore": "regraft.recipes.restoring:restore",
    "resume": "regraft.recipes.running:resume",
    "updates": "regraft.training.custom:updates",
    "variables": "regraft.graph.names:variables",
}


def __getattr__(name: str) -> Any:
    """Bring a name of the front door when it is first asked for."""
    if name == "__version__":
        value = importlib.import_module("importlib.metadata").version("regraft")
    elif name in _WHERE:
        module, _, attribute = _WHERE[name].partition(":")
        value = getattr(importlib.import_module(module), attribute)
    else:
        raise AttributeError(f"module 'regraft' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The front door's names, for completion, and the rooms that are in use."""
    return sorted({*globals(), *__all__})
