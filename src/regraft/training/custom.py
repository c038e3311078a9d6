"""What somebody with a training loop of their own takes of Regraft: what learns, at which rates, with which state."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from regraft.core.errors import RequestError, WorkError
from regraft.core.optimizer_state import OptimizerState
from regraft.core.phase import BatchNorm, Carry, Phase, Schedule
from regraft.graph import names
from regraft.training import asking, carrying, slots
from regraft.training.marking import Marks, mark
from regraft.training.model_updates import Gradients, ModelUpdates, listed
from regraft.training.optimizers import Updates
from regraft.training.optimizers import updates as optimizers_of

Array = np.ndarray[Any, Any]


def updates(
    model: keras.Model,
    rates: Mapping[str, float | None],
    *,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    options: Mapping[str, float | bool] | None = None,
    schedule: Schedule = "constant",
    steps: int | None = None,
    done: int = 0,
    warmup: float = 0.0,
    floor: float | None = None,
    drops: Sequence[float] = (0.5, 0.75),
    cycles: int = 3,
    batch_norm: BatchNorm = "frozen",
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    moving_average: float = 0.0,
    state: OptimizerState | keras.optimizers.Optimizer | None = None,
    policy: Carry | Mapping[str, Carry] | None = None,
    gradients: Callable[[ModelUpdates], Iterable[Gradients]] | None = None,
    calibration: int = 20,
) -> ModelUpdates:
    """Make what turns gradients into steps, for a training loop of one's own.

    Sets in place, on the model, what is trainable: variables with a rate are, all others are not; BatchNorm layers are
    by policy, whatever `training` a loop or `fit` calls them with; dropout in the frozen layers below all that learns
    is off. `ModelUpdates.release` takes all of this back.

    Args:
        model: built; of any class.
        rates: regular expressions over the canonical names of the variables (`regraft.variables`) -> learning rate, the
            first that matches the whole name counts; 0 or None: frozen.
        optimizer: a Keras optimizer's name, or one whose class and settings are taken over, but for its rate and
            state, and which itself stays as it is.
        options: what it is made with beside a name, by Keras' argument names.
        schedule: how the rates go over `steps`; see `Phase`.
        steps: how many there will be; needed for all schedules but `constant`, and for a warm-up.
        done: how many of them were taken before, by the optimizers that `state` is of.
        warmup: the part of all steps during which the rates rise from zero.
        floor: see `Phase`.
        drops: see `Phase`.
        cycles: see `Phase`.
        batch_norm: `frozen`: nothing of a BatchNorm layer moves; `affine`: scale and offset learn; `adapt`: its
            statistics follow the data too, while any of it has a rate.
        weight_decay: decoupled decay of kernels.
        clip_norm: gradients of all variables together are scaled down to this Euclidean norm.
        clip_value: elements of gradients are cut off at this size.
        moving_average: decay of a moving average of the weights: see `ModelUpdates.averages`.
        state: what an optimizer has learnt before, by canonical names; or a live Keras optimizer that was built with
            variables of this model.
        policy: what becomes of that, for all variables or by pattern, first match wins: `keep`, `translate`, `reset`,
            `calibrate`, `auto` (see `Phase.state`). None: `auto` where there are `gradients`; else what was kept is
            kept or, where it is of another kind of optimizer, translated. Variables without any begin anew.
        gradients: from the updates, which take no step meanwhile, to the gradients of one batch after the other, as
            `apply` takes them; for policies that compare or measure.
        calibration: batches that are asked of it at most.

    Returns:
        The updates; `summary` shows what learns and what became of the state of each variable.

    Raises:
        RequestError: nothing would learn, there is no such optimizer, option or word, a figure cannot be, or a policy
            needs `gradients`. The model is as it was then.
        SelectorError: a variable is matched by no pattern, or a pattern is the first match of none.
        SourceError: a frozen layer would change its output or its weights in training all the same.

    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(keras.layers.Dense(3, name="base")(inputs)))
    >>> made = updates(model, {"head/.*": 1e-3, ".*": None}, optimizer="rmsprop")
    >>> list(made.named)
    ['head/kernel', 'head/bias']
    """
    words = {
        "schedule": schedule,
        "warmup": warmup,
        "floor": floor,
        "drops": tuple(drops),
        "cycles": cycles,
        "batch_norm": batch_norm,
        "weight_decay": weight_decay,
        "clip_norm": clip_norm,
        "clip_value": clip_value,
        "moving_average": moving_average,
        "calibration": calibration,
    }
    _check_steps(steps, done, schedule, warmup)
    with asking.in_words_of_a_loop():
        kept = _kept(state, model)
        phase = asking.phase(rates, optimizer, options, **words)
        asking.check_policy(policy)
        marks = mark(model, phase)
        try:
            known = {name: own for name, own in kept.variables.items() if name in marks.learning} if kept else {}
            phase = asking.with_policy(phase, policy, known, gradients is not None)
            return _made(model, phase, marks, kept, steps or 1, done, gradients)
        except BaseException:
            marks.undo(model)
            raise


def _made(
    model: keras.Model,
    phase: Phase,
    marks: Marks,
    kept: OptimizerState | None,
    steps: int,
    done: int,
    gradients: Callable[[ModelUpdates], Iterable[Gradients]] | None,
) -> ModelUpdates:
    variables = names.variables(model)

    def with_state(begun: OptimizerState | None) -> Updates:
        return optimizers_of(phase, marks.learning, variables, steps, state=begun, done=done)

    def samples(count: int) -> Iterator[Mapping[str, Array]]:
        if gradients is None:
            raise RequestError(
                f"expected gradients= beside policy '{phase.state}', which compares or measures, found none; give a "
                "function from the updates to the gradients of batch after batch, or say policy 'reset'"
            )
        looking = ModelUpdates(model, with_state(None), (), marks)
        return _measured(looking, itertools.islice(gradients(looking), count))

    begun, carried = carrying.plan(kept, marks.learning, phase, samples)
    return ModelUpdates(model, with_state(begun), carried, marks)


def _measured(looking: ModelUpdates, given: Iterator[Gradients]) -> Iterator[Mapping[str, Array]]:
    """Gradients of batches, clipped as in a step, as arrays by name; what else a pass changes in the model is put back.

    Raises:
        RequestError: there are none.
        WorkError: one is not a number.
    """
    before = names.values(looking.model)
    inner, count = looking.updates, 0
    for count, found in enumerate(given, 1):
        shaped = inner.shaped(listed(found, inner.named), [variable.value for variable in inner.variables])
        arrays = {name: _numpy(item).astype(np.float32) for name, item in zip(inner.named, shaped, strict=True)}
        for name, variable in names.variables(looking.model).items():
            variable.assign(before[name])
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise WorkError(f"the gradient of '{name}' in batch {count} of gradients= is not a number")
        yield arrays
    if not count:
        raise RequestError("expected gradients= to yield the gradients of one batch at least, found none")


def _kept(state: Any, model: keras.Model) -> OptimizerState | None:
    if state is None or isinstance(state, OptimizerState):
        return state
    if not isinstance(state, keras.optimizers.Optimizer):
        raise RequestError(
            f"expected state as an OptimizerState or a live optimizer of Keras, found {type(state).__name__}; "
            "a file is read by regraft.optimizer_state"
        )
    built = slots.built_with(state)
    known = {id(variable): name for name, variable in names.variables(model).items()}
    strangers = [variable.path for variable in built if id(variable) not in known]
    if strangers or not built:
        raise RequestError(
            f"expected a live optimizer that was built with variables of model '{model.name}', found "
            f"{f'one with {strangers[0]!r}' if strangers else 'one that was built with none'}; "
            "give the state by names: `.state()` of updates, or regraft.optimizer_state of a file"
        )
    return slots.read(state, {known[id(variable)]: variable for variable in built})


def _check_steps(steps: int | None, done: int, schedule: str, warmup: float) -> None:
    if steps is None and (schedule != "constant" or warmup):
        word = f"schedule '{schedule}'" if schedule != "constant" else f"warmup {warmup:g}"
        raise RequestError(f"expected steps beside {word}: how many there will be; found none")
    if steps is not None and steps < 1:
        raise RequestError(f"expected steps as 1 or more, found {steps}")
    if done < 0 or done > (steps or done):
        raise RequestError(f"expected done from 0 to steps, found {done}")


def _numpy(tensor: Any) -> Array:
    return np.array(keras.ops.convert_to_numpy(tensor))
