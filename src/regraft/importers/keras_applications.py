"""Networks of keras.applications: `keras:MobileNet?alpha=0.25&weights=imagenet`."""

import ast
import collections
import contextlib
import inspect
import sys
import warnings
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import keras
from keras.src.backend.common import global_state

from regraft.core.errors import SourceError, nearest
from regraft.core.opened import LoadReport
from regraft.core.progress import warn
from regraft.graph import names
from regraft.importers import conventions, weights_file
from regraft.importers.pretrained import Opened, Request, all_loaded

PREFIX = "keras:"
_RANDOM = ("none", "random")
_IMAGENET = "imagenet"
_COUNTERS = "object_name_uids"
# Of the functions' arguments, the one that no text can say.
_NOT_TEXT = ("input_tensor",)


def handles(request: Request) -> bool:
    """Whether the source names a network of keras.applications."""
    return isinstance(request.source, str) and request.source.startswith(PREFIX)


def load(request: Request) -> Opened:
    """Build the network and give it the weights that were asked for; by default ImageNet's, without the classifier.

    Raises:
        SourceError: the name, an argument or a value is unknown, or the weights could not be downloaded.
    """
    name, arguments = parse(request.text)
    weights = request.weights or str(arguments.pop("weights", _IMAGENET))
    arguments.pop("weights", None)
    if weights == _IMAGENET:
        model = build(name, {**arguments, "weights": _IMAGENET}, request.input_size)
        return Opened(model, all_loaded(model), conventions.size_of(name))
    model = build(name, {**arguments, "weights": None}, request.input_size)
    if weights.lower() in _RANDOM:
        warn(f"'{request.text}' has random weights: nothing learnt before is reused")
        return Opened(model, LoadReport(missing=tuple(names.variables(model))), conventions.size_of(name))
    if not Path(weights).is_file():
        raise SourceError(f"expected weights=imagenet, none or a file, found '{weights}' in '{request.text}'")
    return Opened(model, weights_file.load_into(model, Path(weights)), conventions.size_of(name))


def functions() -> dict[str, Callable[..., keras.Model]]:
    """Every function of keras.applications that builds a network, by name."""
    public = {name: getattr(keras.applications, name) for name in dir(keras.applications) if name[0].isupper()}
    return {name: value for name, value in public.items() if inspect.isfunction(value)}


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of `keras:NAME?argument=value&...`.

    Numbers, `true`, `false`, `none` and comma-separated tuples are read as such, anything else is text.

    Raises:
        SourceError: the name or an argument is unknown; the message names the nearest ones.

    >>> parse("keras:MobileNet?alpha=0.25&input_shape=128,128,3")
    ('MobileNet', {'alpha': 0.25, 'input_shape': (128, 128, 3)})
    """
    name, _, query = text.removeprefix(PREFIX).partition("?")
    if name not in functions():
        raise SourceError(f"keras.applications has no network '{name}' (in '{text}'){nearest(name, functions())}")
    known = [argument for argument in inspect.signature(functions()[name]).parameters if argument not in _NOT_TEXT]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise SourceError(f"expected keras:NAME?argument=value&argument=value, found '{text}'") from None
    for argument, _ in pairs:
        if argument not in known:
            raise SourceError(f"'{name}' has no argument '{argument}' (in '{text}'){nearest(argument, known)}")
    return name, {argument: _value(value) for argument, value in pairs}


def build(name: str, arguments: Mapping[str, Any], input_size: int | None = None) -> keras.Model:
    """Call a function of keras.applications.

    The input gets a definite size, because some networks pad by the parity of theirs.

    Args:
        name: the function.
        arguments: for it; `include_top` is False unless they say otherwise.
        input_size: height and width in pixels; by default those of the published weights.

    Raises:
        SourceError: Keras refuses the arguments, or the weights could not be downloaded.
    """
    given = {"include_top": False, **arguments}
    size = input_size or conventions.size_of(name)
    given.setdefault("input_shape", (size, size, 3))
    try:
        # Keras draws the download's progress on standard output, which belongs to `--json`.
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr), _names_of_a_fresh_process():
            warnings.simplefilter("ignore")
            return functions()[name](**given)
    except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
        said = " ".join(str(error).split())
        raise SourceError(f"keras.applications.{name} does not take {_shown(given)}: {said}") from error
    except Exception as error:
        # Keras reports a failed download as a bare Exception.
        if given.get("weights") != _IMAGENET:
            raise
        raise SourceError(
            f"could not download the ImageNet weights of '{name}' ({' '.join(str(error).split())[:200]}); "
            f"try again with a connection, or say {PREFIX}{name}?weights=none for random weights"
        ) from error


@contextlib.contextmanager
def _names_of_a_fresh_process() -> Generator[None]:
    """Let Keras number unnamed layers from zero, so that a cut point has one name whatever was built before."""
    kept = global_state.get_global_attribute(_COUNTERS)
    global_state.set_global_attribute(_COUNTERS, collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTERS, kept)


def _value(text: str) -> Any:
    constants = {"true": True, "false": False, "none": None}
    if text.lower() in constants:
        return constants[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
