"""What a module of PyTorch is asked, without loading PyTorch for those who have none."""

import contextlib
import inspect
import sys
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import keras

from regraft.core.errors import SourceError


def is_module(source: Any) -> bool:
    """Whether something is a `torch.nn.Module`; a `keras.Model`, which is one on that backend, is not meant."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and not isinstance(source, keras.Model) and isinstance(source, torch.nn.Module)


@contextlib.contextmanager
def evaluating(module: Any) -> Generator[None]:
    """The module in evaluation mode inside the block, every part of it as it was afterwards.

    The flags are set one by one: `train` and `eval` may be overridden, and then change more than can be undone.
    """
    were = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in were:
            part.training = False
        yield
    finally:
        for part, training in were:
            part.training = training


def arguments(module: Any, example: Any, text: str) -> dict[str, Any]:
    """The example as tensors by the name of the argument, on the device of the module.

    Raises:
        SourceError: it is not made of arrays with one number of examples on their first axis.
    """
    torch: Any = sys.modules["torch"]
    if isinstance(example, Mapping):
        named = {str(name): value for name, value in example.items()}
    else:
        several: Sequence[Any] = example if isinstance(example, (tuple, list)) else [example]
        named = dict(zip(_names(module, len(several)), several, strict=True))
    device = next((parameter.device for parameter in module.parameters()), None)
    tensors: dict[str, Any] = {}
    for name, value in named.items():
        try:
            tensors[name] = torch.as_tensor(value, device=device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise SourceError(
                f"expected an example of tensors or arrays for {text}, found {type(value).__name__} as '{name}'; "
                "give a tensor, a tuple of them, or a dictionary by argument"
            ) from error
    counts = {name: tensor.shape[0] if tensor.ndim else None for name, tensor in tensors.items()}
    if len(set(counts.values())) != 1 or None in counts.values() or 0 in counts.values():
        said = ", ".join(f"'{name}' {tuple(tensor.shape)}" for name, tensor in tensors.items()) or "nothing"
        raise SourceError(
            f"expected inputs with one number of examples on their first axis for {text}, found {said}; "
            "put the axis of examples first"
        )
    return tensors


def _names(module: Any, count: int) -> list[str]:
    """What `forward` calls its first arguments."""
    parameters = inspect.signature(module.forward).parameters.values()
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [item.name for item in parameters if item.kind in places][:count]
    return [*names, *(f"input_{number}" for number in range(len(names) + 1, count + 1))]
