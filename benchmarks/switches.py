"""How large steps are after a switch: the optimizer's state carried by `auto`, and by plain alternatives.

A small network learns the digits of scikit-learn for a while; then something changes: the gradients' scale, what
learns, the optimizer. The figure is the RMS of a single step over all weights, divided by its steady value, for the
first 50 steps. Steady is what the new optimizer comes to without any state: the mean over its steps 50 to 150 when it
is begun anew, at a constant rate. Its beginning is forgotten by then, and no way that is compared has a say in it. Runs
of several seeds are put together step by step as the root of their mean square: a single batch's gradient is noise of
its own, also where nothing is switched. Constant gradients, of which theory knows the figures, stand beside them.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.frame import Bar, Result, Settings, Table

Array = np.ndarray[Any, Any]

LOW, HIGH = 0.5, 1.5
FIRST, LAST = 50, 150
_BEFORE = 400
_BATCH = 128
_RATES = {"adam": 1e-3, "sgd": 0.02, "rmsprop": 1e-3, "lion": 1e-4}


@dataclass(frozen=True, slots=True)
class Switch:
    """What changes: the optimizer, the scale of the loss, or that the layers below a new head begin to learn."""

    name: str
    before: str
    after: str
    scale: float = 1.0
    thaw: bool = False


SWITCHES = (
    Switch("adam, gradients x10", "adam", "adam", scale=10.0),
    Switch("adam, gradients x3", "adam", "adam", scale=3.0),
    Switch("adam, gradients x0.1", "adam", "adam", scale=0.1),
    Switch("adam, lower layers thawed", "adam", "adam", thaw=True),
    Switch("adam -> sgd with momentum", "adam", "sgd"),
    Switch("sgd with momentum -> adam", "sgd", "adam"),
    Switch("rmsprop -> adam", "rmsprop", "adam"),
    Switch("adam -> rmsprop", "adam", "rmsprop"),
    Switch("adam -> lion", "adam", "lion"),
)
# `old count`: moments of zero in an optimizer that goes on counting steps, as when a state is cleared in place.
WAYS = ("auto", "new optimizer", "state kept", "old count")


def run(settings: Settings) -> Iterator[Result]:
    """Every switch in every way, over as many seeds as there are splits; the result so far after each switch."""
    found: list[dict[str, Any]] = [_constant()]
    for switch in SWITCHES:
        found.append({"switch": switch.name} | _measured(switch, range(settings.splits)))
        yield summarise(found, settings)


def summarise(found: Sequence[Mapping[str, Any]], settings: Settings) -> Result:
    """The table of smallest and largest steps, and the bar."""
    rows = tuple((row["switch"], *(_cell(row.get(way)) for way in (*WAYS, "single"))) for row in found)
    columns = ("switch", "auto", "new optimizer", "state kept", "moments zeroed, old count", "auto, single runs")
    table = Table("Smallest and largest of the first 50 steps, 1: steady", columns, rows)
    ends = [end for row in found for end in row["auto"]]
    bar = Bar(
        f"with auto every one of the first {FIRST} steps is {LOW} to {HIGH} times the steady size",
        f"{min(ends):.2f} to {max(ends):.2f}",
        min(ends) >= LOW and max(ends) <= HIGH,
    )
    return Result("switches", str(__doc__), (table,), tuple(found), (bar,), settings=settings)


def _cell(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.2f}..{ends[1]:.2f}"


def _measured(switch: Switch, seeds: Sequence[int]) -> dict[str, Any]:
    steps = {way: [sizes(switch, way, seed) for seed in seeds] for way in WAYS if _possible(switch, way)}
    steady = [float(np.mean(run[FIRST:])) for run in steps["new optimizer"]]
    relative = {
        way: np.stack([run[:FIRST] / by for run, by in zip(runs, steady, strict=True)]) for way, runs in steps.items()
    }
    found: dict[str, Any] = {way: _ends(np.sqrt(np.mean(runs**2, axis=0))) for way, runs in relative.items()}
    return found | {"single": _ends(relative["auto"])}


def _possible(switch: Switch, way: str) -> bool:
    return way != "state kept" or (switch.before == switch.after and not switch.thaw)


def _ends(values: Array) -> tuple[float, float]:
    return float(np.min(values)), float(np.max(values))


def _phase(optimizer: str) -> Any:
    from regraft.core.phase import Phase

    return Phase(optimizer=optimizer, warmup=0.0, schedule="constant")


class Digits:
    """A network of two hidden layers and the gradients of its loss, batch after batch; labels are smoothed."""

    def __init__(self, seed: int, batch: int = _BATCH) -> None:
        import keras
        from sklearn.datasets import load_digits

        pictures, labels = load_digits(return_X_y=True)
        self._x = (pictures / 16).astype("float32")
        self._y = (np.eye(10)[labels] * 0.9 + 0.01).astype("float32")
        self._random, self._batch = np.random.default_rng(seed), batch
        keras.utils.set_random_seed(seed)
        layers = [keras.layers.Dense(32, "relu"), keras.layers.Dense(32, "relu"), keras.layers.Dense(10)]
        self.model = keras.Sequential([keras.Input((64,)), *layers])
        self.variables = {
            f"{index}/{variable.name}": variable
            for index, layer in enumerate(layers)
            for variable in layer.trainable_variables
        }
        self.scale = 1.0
        self._gradients = self._compiled()

    def _compiled(self) -> Any:
        import tensorflow as tf

        def gradients(x: Any, y: Any, scale: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = scale * tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, self.model(x)))
            return tape.gradient(loss, [variable.value for variable in self.variables.values()])

        return tf.function(gradients)

    def gradients(self) -> dict[str, Array]:
        """Of the next batch, by name."""
        rows = self._random.integers(len(self._x), size=self._batch)
        found = self._gradients(self._x[rows], self._y[rows], np.float32(self.scale))
        return {name: gradient.numpy() for name, gradient in zip(self.variables, found, strict=True)}

    def samples(self, passes: int) -> Iterator[dict[str, Array]]:
        """The gradients of that many batches."""
        for _ in range(passes):
            yield self.gradients()


def optimizers(phase: Any, variables: Mapping[str, Any], state: Any) -> list[tuple[Any, dict[str, Any]]]:
    """One optimizer for all variables of one age, with their state."""
    from regraft.training import kinds, slots

    ages: dict[Any, dict[str, Any]] = {}
    for name, variable in variables.items():
        own = state.variables[name]
        ages.setdefault((own.steps, *own.scalars.items()), {})[name] = variable
    made: list[tuple[Any, dict[str, Any]]] = []
    for chosen in ages.values():
        optimizer = kinds.make(phase, _RATES[phase.optimizer])
        optimizer.build(list(chosen.values()))
        slots.assign(optimizer, chosen, state)
        made.append((optimizer, chosen))
    return made


def sizes(switch: Switch, way: str, seed: int, last: int = LAST, before: int = _BEFORE) -> Array:
    """The RMS of each of the first `last` steps after a switch."""
    digits, kept = _learnt(switch.before, switch.thaw, seed, before)
    digits.scale = switch.scale
    made = optimizers(_phase(switch.after), digits.variables, carried(switch, way, digits, kept))
    found: list[float] = []
    for _ in range(last):
        gradients = digits.gradients()
        then = _flat(digits.variables)
        for optimizer, chosen in made:
            optimizer.apply([gradients[name] for name in chosen], list(chosen.values()))
        found.append(float(np.sqrt(np.mean((_flat(digits.variables) - then) ** 2))))
    return np.array(found)


def carried(switch: Switch, way: str, digits: Digits, kept: Any) -> Any:
    """The state that a way gives the new optimizer."""
    from regraft.core.optimizer_state import OptimizerState
    from regraft.training import carrying

    phase = _phase(switch.after)
    policy = {"auto": "auto", "state kept": "keep"}.get(way, "reset")
    learning = dict.fromkeys(digits.variables, _RATES[switch.after])
    state, _ = carrying.plan(kept, learning, replace(phase, state=policy), digits.samples)
    if way != "old count":
        return state
    return OptimizerState({name: replace(own, steps=_BEFORE) for name, own in state.variables.items()})


def _learnt(optimizer: str, top_only: bool, seed: int, steps: int) -> tuple[Digits, Any]:
    weights, arrays = _trained(optimizer, top_only, seed, steps)
    digits = Digits(seed)
    for name, value in weights.items():
        digits.variables[name].assign(value)
    return digits, arrays


@functools.cache
def _trained(optimizer: str, top_only: bool, seed: int, steps: int) -> tuple[dict[str, Array], Any]:
    from regraft.training import kinds, slots

    digits = Digits(seed)
    if top_only:
        # Below a new head, which is the same for all ways and learns alone at first.
        for name, value in _trained(optimizer, False, seed, steps)[0].items():
            if not name.startswith("2/"):
                digits.variables[name].assign(value)
    chosen = {name: own for name, own in digits.variables.items() if not top_only or name.startswith("2/")}
    made = kinds.make(_phase(optimizer), _RATES[optimizer])
    made.build(list(chosen.values()))
    for _ in range(steps):
        gradients = digits.gradients()
        made.apply([gradients[name] for name in chosen], list(chosen.values()))
    weights = {name: np.array(variable.numpy()) for name, variable in digits.variables.items()}
    return weights, slots.read(made, chosen)


def _flat(variables: Mapping[str, Any]) -> Array:
    return np.concatenate([variable.numpy().ravel() for variable in variables.values()])


def constant(way: str, scale: float = 10.0, before: int = 10**6, last: int = FIRST) -> Array:
    """Steps of Adam over its rate where all gradients are 1, and then `scale`: theory knows them."""
    import keras

    from regraft.core.optimizer_state import OptimizerState, VariableState
    from regraft.training import carrying, slots

    phase = _phase("adam")
    variable = keras.Variable(np.zeros(1, np.float32))
    moments = {"momentum": np.ones(1, np.float32), "velocity": np.ones(1, np.float32)}
    kept = OptimizerState({"w": VariableState("adam", before, moments)})
    policy = {"auto": "auto", "state kept": "keep"}.get(way, "reset")

    def samples(passes: int) -> Iterator[dict[str, Array]]:
        for _ in range(passes):
            yield {"w": np.full(1, scale, np.float32)}

    state, _ = carrying.plan(kept, {"w": _RATES["adam"]}, replace(phase, state=policy), samples)
    if way == "old count":
        state = OptimizerState({"w": replace(state.variables["w"], steps=before)})
    optimizer = keras.optimizers.Adam(_RATES["adam"])
    optimizer.build([variable])
    slots.assign(optimizer, {"w": variable}, state)
    found: list[float] = []
    for _ in range(last):
        then = float(variable.numpy()[0])
        optimizer.apply([np.full(1, scale, np.float32)], [variable])
        found.append(abs(float(variable.numpy()[0]) - then) / _RATES["adam"])
    return np.array(found)


def _constant() -> dict[str, Any]:
    return {"switch": "adam, constant gradients x10"} | {way: _ends(constant(way)) for way in WAYS}
