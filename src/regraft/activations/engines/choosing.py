"""Which engine runs a trunk: the one that is asked for, or the fastest of those that compute what Keras does.

Trying an engine costs time: the network is converted, compiled, and run on one batch some times. So an engine is tried
only where the pass is long enough that this pays. With `t` seconds for a batch by the fastest engine so far, the trial
is expected to take

    1 s + 0.01 s for each call + 10 t

(measured: 1.1 s for MobileNetV2 by OpenVINO, 1.4 s by ONNX Runtime), and an engine that is worth it to spare a third of
the time that the pass takes. A choice that was measured is remembered (`remembering`), and so are proofs; that a pass
was too short is not.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras as framework
import numpy as np

from regraft.activations.engines import ENGINES, find, keras, remembering, tensorflow_graph
from regraft.activations.engines.proving import Proof, prove, upwards
from regraft.activations.engines.trunk import BATCH, Array, Compiled, Trunk, Wanted, trunk_of
from regraft.activations.store import default_folder
from regraft.core import plain
from regraft.core.errors import RequestError, WorkError, nearest
from regraft.core.input_spec import InputSpec
from regraft.core.progress import say, warn
from regraft.graph import digest as model_digest
from regraft.graph import random_layers

AUTO = "auto"

_SECONDS, _SECONDS_PER_CALL, _BATCHES = 1.0, 0.01, 10
_SPARED = 1 / 3
# Below this gain the noise of measuring would choose.
_WORTH = 1.1
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine, and why.

    Attributes:
        engine: its name.
        reason: in words.
        rates: examples per second of the engines that were measured, now or when the choice was made.
    """

    engine: str
    reason: str
    rates: Mapping[str, float] = field(default_factory=dict[str, float])


def consider(
    model: framework.Model,
    inputs: InputSpec,
    full_intensity: float,
    wanted: Sequence[Wanted],
    sample: Array | Callable[[], Array],
    examples_left: int,
    asked: str = AUTO,
    *,
    start: str | None = None,
    folder: Path | None = None,
) -> Choice:
    """Choose the engine that is to run a trunk.

    Args:
        model: the network.
        inputs: its input convention.
        full_intensity: the raw value that means white.
        wanted: what is to be computed.
        sample: real examples as the trunk is given them, float32 (n, ...) with n >= 1, or what loads them; only asked
            for where there is something to prove.
        examples_left: how many are to be computed.
        asked: `auto`, or an engine's name. That engine is taken if it is proven equal, whatever its speed; otherwise
            Keras is, with one warning.
        start: the cut point whose activations are given instead of raw examples.
        folder: of the cache; None: the default.

    Raises:
        RequestError: there is no such engine, it is not installed, or it does not go with Keras' backend.
        SourceError: the network cannot be run by any engine; see `compile_trunk`.
    """
    if asked != AUTO and asked not in ENGINES:
        known = [AUTO, *ENGINES]
        raise RequestError(f"expected an engine named {', '.join(known)}, found '{asked}'{nearest(asked, known)}")
    others = [name for name in ENGINES if name != keras.NAME]
    if asked == keras.NAME or (asked == AUTO and not any(usable(name) for name in others)):
        return Choice(keras.NAME, "asked for" if asked == keras.NAME else "no other engine is installed that can run")
    trunk = trunk_of(model, inputs, full_intensity, wanted, start)
    random_layers.refuse(trunk.calls)
    trial = _Trial(trunk, sample, _memory(trunk, inputs, full_intensity, folder or default_folder()))
    if asked != AUTO:
        find(asked).compile(trunk)  # refuses what cannot be asked for, and converts nothing yet
        return _by_name(trial, asked)
    return _by_measurement(trial, [name for name in others if usable(name)], examples_left)


def settled(examples_left: int, folder: Path) -> bool:
    """Whether `auto` is Keras without a look at the network: nothing is remembered, and the pass is short."""
    return remembering.nothing(folder) and _few(examples_left)


def _few(examples_left: int) -> bool:
    """However slow Keras is: a trial takes some batches too."""
    return examples_left / BATCH * _SPARED <= _BATCHES


def require(engine: str) -> None:
    """Refuse an engine that cannot run anything here, before anything is opened for it.

    Raises:
        RequestError: there is no such engine, it is not installed, or it does not go with Keras' backend.
    """
    module = find(engine)
    if engine != keras.NAME:
        tensorflow_graph.require(engine)
    if not module.available():
        raise RequestError(
            f"the engine '{engine}' is not installed; install it with: {module.INSTALL}; or use the engine 'keras'"
        )


def proven(
    model: framework.Model, inputs: InputSpec, full_intensity: float, wanted: Sequence[Wanted], folder: Path
) -> list[str]:
    """The engines that may run a trunk without another look: Keras first, then what was proven equal here before.

    Args:
        model: the network.
        inputs: its input convention.
        full_intensity: the raw value that means white.
        wanted: what is to be computed.
        folder: of the cache.
    """
    others = [name for name in ENGINES if name != keras.NAME and usable(name)]
    if not others or remembering.nothing(folder):
        return [keras.NAME]
    memory = _memory(trunk_of(model, inputs, full_intensity, wanted), inputs, full_intensity, folder)
    return [keras.NAME, *(name for name in others if all(name in item.known.proven for item in memory))]


def usable(engine: str) -> bool:
    """Whether an engine is installed and goes with Keras' backend."""
    on_tensorflow = framework.backend.backend() == "tensorflow"
    return find(engine).available() and (engine == keras.NAME or on_tensorflow)


def _by_name(trial: "_Trial", asked: str) -> Choice:
    if trial.holds(asked):
        return Choice(asked, "asked for, and proven equal to Keras")
    warn(f"the engine '{asked}' is not used: {trial.against(asked)}; Keras runs the network")
    return Choice(keras.NAME, trial.against(asked))


def _by_measurement(trial: "_Trial", candidates: Sequence[str], examples_left: int) -> Choice:
    before = _remembered(trial, candidates)
    if before is not None:
        return before
    if _few(examples_left):
        return Choice(keras.NAME, f"{examples_left} examples are too few for trying others")
    runs: dict[str, Compiled] = {keras.NAME: trial.reference()}
    seconds = _paired(runs, trial.batch(), 1)
    for name in candidates:
        if _pays(trial.trunk, examples_left, min(seconds.values())) and trial.holds(name):
            runs[name] = trial.compiled(name)
            seconds = _paired(runs, trial.batch())
    rates = {name: BATCH / spent for name, spent in seconds.items()}
    if not trial.tried:
        return Choice(keras.NAME, f"{examples_left} examples are too few for trying others", rates)
    # Another process may have measured the same meanwhile: its answer holds.
    trial.read_again()
    before = _remembered(trial, candidates)
    if before is not None:
        return before
    fastest = max(rates, key=lambda name: rates[name])
    chosen = fastest if rates[fastest] >= _WORTH * rates[keras.NAME] else keras.NAME
    trial.keep(chosen, rates)
    told = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    say(f"engine: {chosen} (examples a second here: {told})")
    return Choice(chosen, f"the fastest of those that compute the same ({told} examples a second)", rates)


def _remembered(trial: "_Trial", candidates: Sequence[str]) -> Choice | None:
    """The choice that was made before, if one was, and the engine may be used for all that is wanted now."""
    engine = trial.remembered()
    if engine is None or (engine != keras.NAME and engine not in candidates):
        return None
    if engine != keras.NAME and not trial.holds(engine):
        warn(f"the engine '{engine}' is not used: {trial.against(engine)}; Keras runs the network")
        return Choice(keras.NAME, trial.against(engine))
    trial.keep(engine)
    return Choice(engine, "chosen before on this machine", trial.rates())


def _pays(trunk: Trunk, examples_left: int, seconds: float) -> bool:
    """Whether trying one more engine is expected to spare more than it costs, at so many seconds for a batch now."""
    cost = _SECONDS + _SECONDS_PER_CALL * len(trunk.calls) + _BATCHES * seconds
    return examples_left / BATCH * seconds * _SPARED > cost


def _paired(runs: Mapping[str, Compiled], batch: Array, rounds: int = _ROUNDS) -> dict[str, float]:
    """The median seconds of one batch by each, in turns, so that what else the machine does meets all alike."""
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run(batch)
            spent[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in spent.items()}


class _Trial:
    """What is found out about the engines for one trunk, each thing once, and only when it is asked for."""

    def __init__(self, trunk: Trunk, sample: Array | Callable[[], Array], memory: list["_Memory"]) -> None:
        self.trunk = trunk
        self._sample, self._memory = sample, memory
        self._batch: Array | None = None
        self._reference: Compiled | None = None
        self._expected: list[Array] = []
        self._compiled: dict[str, Compiled] = {}
        self.tried = False

    def batch(self) -> Array:
        """A whole batch of real examples; where there are fewer, they come again."""
        if self._batch is None:
            rows = np.asarray(self._sample() if callable(self._sample) else self._sample, np.float32)
            self._batch = np.resize(rows, (BATCH, *rows.shape[1:]))
        return self._batch

    def reference(self) -> Compiled:
        """Keras' function, on a network that is not random; it has run once, because the first time is slower."""
        if self._reference is None:
            trunk = self.trunk
            if any(random_layers.may_be(call.operation) for call in trunk.calls):
                random_layers.refuse_by_running(trunk.opened, trunk.calls, trunk.entry, trunk.prepare(self.batch()))
            self._reference = keras.compile(trunk)
            self._expected = self._reference(self.batch())
        return self._reference

    def compiled(self, engine: str) -> Compiled:
        """An engine's function."""
        if engine not in self._compiled:
            self._compiled[engine] = find(engine).compile(self.trunk)
        return self._compiled[engine]

    def holds(self, engine: str) -> bool:
        """Whether an engine is proven equal, now or before."""
        if all(engine in item.known.proven for item in self._memory):
            return True
        if not self.against(engine):
            self._note(engine, self._proof(engine))
        return not self.against(engine)

    def against(self, engine: str) -> str:
        """Why an engine was refused; empty where it was not."""
        return next((item.known.refused[engine] for item in self._memory if engine in item.known.refused), "")

    def remembered(self) -> str | None:
        """The engine that was chosen for this trunk: for the highest of its cut points for which one was."""
        depths = {call.name: depth for depth, call in enumerate(self.trunk.calls)}
        answered = [item for item in self._memory if item.known.engine is not None]
        highest = max(answered, key=lambda item: depths.get(item.wanted.cut_point, -1), default=None)
        return highest.known.engine if highest else None

    def read_again(self) -> None:
        """Look at what others have found out meanwhile."""
        for item in self._memory:
            if item.known.engine is None:
                item.known.engine = remembering.read(item.path).engine

    def rates(self) -> dict[str, float]:
        """Examples per second, as measured when the choice was made."""
        return next((item.known.rates for item in self._memory if item.known.rates), {})

    def keep(self, engine: str, rates: Mapping[str, float] | None = None) -> None:
        """Remember a choice wherever there is none yet."""
        for item in self._memory:
            if item.known.engine is None:
                item.known.engine, item.known.rates = engine, dict(rates if rates is not None else self.rates())
                item.write()

    def _proof(self, engine: str) -> Proof:
        self.tried = True
        self.reference()
        try:
            return prove(self.trunk, self._expected, self.compiled(engine), self.batch())
        except WorkError as error:
            return Proof(float("inf"), str(error), upwards(self.trunk)[-1])

    def _note(self, engine: str, proof: Proof) -> None:
        if proof.holds:
            for item in self._memory:
                item.known.proven[engine] = proof.difference
                item.write()
        else:
            # What is wanted below may be right, and may be wanted alone another time.
            item = self._memory[proof.at]
            item.known.refused[engine] = proof.against
            item.write()


@dataclass(slots=True, eq=False)
class _Memory:
    """What is remembered of one thing that is wanted."""

    wanted: Wanted
    path: Path
    about: dict[str, Any]
    known: remembering.Known

    def write(self) -> None:
        remembering.write(self.path, self.known, self.about)


def _memory(trunk: Trunk, inputs: InputSpec, full_intensity: float, folder: Path) -> list[_Memory]:
    digests = model_digest.of_trunks(trunk.model, dict.fromkeys(item.cut_point for item in trunk.wanted))
    convention = {key: value for key, value in plain.to_plain(inputs).items() if key not in ("name", "origin")}
    versions = {name: engine.version() for name, engine in ENGINES.items() if usable(name)}
    memory: list[_Memory] = []
    for item in trunk.wanted:
        depends = {
            "trunk": digests[item.cut_point],
            "pooled": item.pooled,
            "input": {**convention, "full_intensity": full_intensity},
            "batch": BATCH,
            "versions": versions,
        }
        path = remembering.path_of(folder, depends)
        about = {"network": trunk.model.name, "cut_point": item.cut_point, **depends}
        memory.append(_Memory(item, path, about, remembering.read(path)))
    return memory
