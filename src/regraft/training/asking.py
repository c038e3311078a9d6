"""What a loop of one's own asks for, in the words of its function, as a phase."""

import contextlib
import math
import re
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, get_args

import keras
import numpy as np

from regraft.core.errors import RequestError, nearest
from regraft.core.optimizer_state import VariableState
from regraft.core.phase import SCHEDULES, BatchNorm, Carry, Phase, Rate, StateRule
from regraft.training import kinds, slots
from regraft.training.carrying import comparing

NAME = "custom loop"

# How arguments of Keras' optimizers are said here, where they mean the whole step, not the variables of one rate.
_SAID_HERE = {"weight_decay": "weight_decay", "global_clipnorm": "clip_norm", "clipvalue": "clip_value"}
_REFUSED = {
    "clipnorm": "it would cut each variable's gradient by itself; say clip_norm=, which cuts all of them together",
    "gradient_accumulation_steps": "add the gradients up in your loop and apply their mean",
    "loss_scale_factor": "scale the loss in your loop, and the gradients back",
}


@contextlib.contextmanager
def in_words_of_a_loop() -> Generator[None]:
    """Say what a phase refuses as the arguments of a function: a loop has no plan."""
    try:
        yield
    except RequestError as error:
        said = re.sub(r"(the plan's )?fine_tune\.(?=\w)", "", str(error)).replace("a phase says it as", "say it as")
        said = re.sub(rf"(the )?phase '{NAME}'", "this loop", said)
        said = said.replace("the plan's state rule", "the policy for").replace("say state '", "say policy '")
        raise type(error)(said) from None


def phase(
    rates: Mapping[str, float | None], optimizer: Any, options: Mapping[str, float | bool] | None, **words: Any
) -> Phase:
    """The phase that a loop of one's own is.

    Args:
        rates: pattern -> rate; None and 0 freeze.
        optimizer: a name, or an optimizer of Keras whose class and settings are taken.
        options: as in `Phase`; beside a name only.
        words: further fields of `Phase`.

    Raises:
        RequestError: a rate, a word or an option is none that a phase can have.
    """
    name, given = (optimizer, options or {}) if isinstance(optimizer, str) else _taken(optimizer, options, words)
    _check_word("schedule", words["schedule"], SCHEDULES)
    _check_word("batch_norm", words["batch_norm"], get_args(BatchNorm))
    if words["batch_norm"] == "recalibrate":
        raise RequestError(
            "batch_norm 'recalibrate' needs a pass of the examples, which only you have here; "
            "call regraft.training.recalibrating.recalibrate(model, batches) first, and say 'frozen'"
        )
    return Phase(name=NAME, rates=_rates(rates), optimizer=name, options=given, **words)


def check_policy(policy: Carry | Mapping[str, Carry] | None) -> None:
    """Refuse what is no policy.

    Raises:
        RequestError: it names those that there are.
    """
    said = policy.values() if isinstance(policy, Mapping) else [policy] if policy is not None else []
    for word in said:
        _check_word("policy", word, get_args(Carry))


def with_policy(
    phase: Phase, policy: Carry | Mapping[str, Carry] | None, kept: Mapping[str, VariableState], can_measure: bool
) -> Phase:
    """The same with what becomes of the state; where nothing was said, the best that can be done with what is there.

    Args:
        phase: its optimizer is what the state is to be for.
        policy: as asked for.
        kept: the state of before of the variables that learn.
        can_measure: whether there are gradients.
    """
    if isinstance(policy, str):
        return replace(phase, state=policy)
    rules = tuple(StateRule(pattern, word) for pattern, word in (policy or {}).items())
    if can_measure:
        return replace(phase, state="auto", state_rules=rules)
    kind = slots.kind_of(kinds.make(phase, 1.0))
    same = [name for name, own in kept.items() if comparing.same_kind(own.kind, kind)]
    keeping = tuple(StateRule(re.escape(name), "keep") for name in same)
    return replace(phase, state="translate" if kept else "reset", state_rules=(*rules, *keeping))


def _rates(rates: Mapping[str, float | None]) -> tuple[Rate, ...]:
    for pattern, rate in rates.items():
        if not _is_rate(rate):
            raise RequestError(f"expected a rate above 0, or 0 or None to freeze, for '{pattern}', found {rate!r}")
    return tuple(Rate(pattern, float(rate or 0.0)) for pattern, rate in rates.items())


def _is_rate(rate: object) -> bool:
    if rate is None:
        return True
    return isinstance(rate, int | float | np.number) and not isinstance(rate, bool) and bool(0 <= rate < math.inf)


def _check_word(name: str, word: object, known: tuple[str, ...]) -> None:
    if word not in known:
        raise RequestError(
            f"expected {name} as one of {', '.join(known)}, found {word!r}{nearest(str(word), known, 1)}"
        )


def _taken(
    optimizer: Any, options: Mapping[str, float | bool] | None, words: dict[str, Any]
) -> tuple[str, dict[str, float | bool]]:
    """The name and options of a live optimizer; what it says of the whole step goes into `words`."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise RequestError(
            f"expected optimizer as a name such as 'rmsprop' or an optimizer of Keras, found {type(optimizer).__name__}"
        )
    if options:
        raise RequestError("expected options beside the name of an optimizer, found them beside a live one; give one")
    config: dict[str, Any] = optimizer.get_config()
    kind = type(optimizer)
    name = kind.__name__.lower()
    if kinds.known().get(name) is not kind:
        raise RequestError(
            f"expected an optimizer of Keras' own, found {kind.__name__}; apply it to `.variables` yourself: what is "
            "trainable is set on the model"
        )
    for word, why in _REFUSED.items():
        if config.get(word):
            raise RequestError(f"'{word}' of the optimizer is not taken over: {why}")
    for word, here in _SAID_HERE.items():
        if config.get(word) and not words.get(here):
            words[here] = config[word]
    if config.get("use_ema") and not words.get("moving_average"):
        words["moving_average"] = config["ema_momentum"]
    return name, {option: config[option] for option in kinds.options_of(kind) if config.get(option) is not None}
