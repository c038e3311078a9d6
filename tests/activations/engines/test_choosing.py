"""Which engine is chosen, when trying pays, and what is remembered of it."""

import functools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations import engines as engines_room
from regraft.activations.engines import BATCH, Wanted, choosing, remembering
from regraft.activations.engines import keras as keras_engine
from regraft.activations.engines.choosing import Choice, consider
from regraft.activations.engines.trunk import Compiled, Trunk
from regraft.core.errors import RequestError, SourceError, WorkError
from regraft.core.input_spec import InputSpec
from tests.activations.engines.installed import OTHERS, require
from tests.graph.test_random_layers import Noisy
from tests.laws.networks import built, examples

Array = np.ndarray
_SPEC = InputSpec((12, 12, 3))
_WANTED = [Wanted("relu0", False), Wanted("relu1", True)]
_MANY = 10_000_000
# The real function, whatever stands in its place.
_compile = keras_engine.compile


class Pretended:
    """An engine made of Keras', with another speed and other results."""

    INSTALL = "pip install nothing"

    def __init__(self, name: str, seconds: float, alter: Callable[[list[Array]], list[Array]] | None = None) -> None:
        self.NAME, self.seconds, self.alter = name, seconds, alter
        self.compiled = 0

    def available(self) -> bool:
        return True

    def version(self) -> str:
        return "1"

    def compile(self, trunk: Trunk) -> Compiled:
        run = _compile(trunk)
        self.compiled += 1

        def altered(given: Array) -> list[Array]:
            clock.now += self.seconds
            return self.alter(run(given)) if self.alter else run(given)

        return altered


class Clock:
    """Time that passes only as the engines say."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


clock = Clock()


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Put these engines in the place of the real ones; time is theirs."""
    monkeypatch.setattr(choosing, "time", clock)
    monkeypatch.setattr(choosing, "usable", lambda name: name in choosing.ENGINES)

    def put(**made: Pretended) -> dict[str, Any]:
        slow = Pretended("keras", 1.0)
        monkeypatch.setattr(choosing.keras, "compile", slow.compile)
        for module in (choosing, engines_room):
            monkeypatch.setattr(module, "ENGINES", {"keras": choosing.keras, **made})
        return {**made, "keras": slow}

    return put


@functools.cache
def _chain() -> keras.Model:
    """One network for all that only look at it, which law 3 has proven to change nothing."""
    return built("chain")


@functools.cache
def _sample(count: int = BATCH) -> Array:
    return np.asarray(examples("chain", count), "float32")


def _consider(folder: Path, examples_left: int = _MANY, asked: str = "auto", **options: Any) -> Choice:
    wanted = options.pop("wanted", _WANTED)
    sample = options.pop("sample", _sample())
    model = options.pop("model", None) or _chain()
    return consider(model, _SPEC, 255.0, wanted, sample, examples_left, asked, folder=folder, **options)


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if (record.name, record.levelname) == ("regraft", "WARNING")]


def _never() -> Array:
    raise AssertionError("examples were loaded for nothing")


def test_the_fastest_that_computes_the_same_is_taken(engines: Any, tmp_path: Path) -> None:
    engines(fast=Pretended("fast", 0.5), faster=Pretended("faster", 0.25), slow=Pretended("slow", 4.0))
    found = _consider(tmp_path)
    assert found.engine == "faster"
    assert found.rates == pytest.approx({"keras": BATCH, "fast": 2 * BATCH, "faster": 4 * BATCH, "slow": BATCH / 4})


def test_a_gain_within_the_noise_of_measuring_is_none(engines: Any, tmp_path: Path) -> None:
    engines(alike=Pretended("alike", 0.95))
    assert _consider(tmp_path).engine == "keras"


def test_an_engine_that_is_wrong_is_warned_of_only_where_it_was_asked_for(
    engines: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engines(wrong=Pretended("wrong", 0.1, lambda made: [made[0], made[1] * 1.01]))
    assert _consider(tmp_path / "auto").engine == "keras"
    assert not _warnings(caplog)
    assert _consider(tmp_path / "named", asked="wrong").engine == "keras"
    (line,) = _warnings(caplog)
    assert line == (
        "the engine 'wrong' is not used: at 'relu1' (averaged) it differs from Keras by 1.0e-02 of the largest "
        "activation, 1e-04 is allowed; Keras runs the network"
    )


def test_an_engine_that_cannot_run_the_network_is_passed_over(
    engines: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def unable(_: list[Array]) -> list[Array]:
        raise WorkError("the engine 'unable' cannot run 'chain': no such operation; use the engine 'keras'")

    engines(unable=Pretended("unable", 0.1, unable), able=Pretended("able", 0.5))
    assert _consider(tmp_path).engine == "able"
    assert _consider(tmp_path, asked="unable").engine == "keras"
    assert "is not used: the engine 'unable' cannot run 'chain': no such operation" in caplog.text


def test_nothing_is_tried_where_the_pass_is_short(engines: Any, tmp_path: Path) -> None:
    made = engines(fast=Pretended("fast", 0.1))
    assert _consider(tmp_path, examples_left=100, sample=_never) == Choice(
        "keras", "100 examples are too few for trying others"
    )
    # 31 batches of a second: a third of that is less than the trial, of ten batches and a second, would take.
    assert _consider(tmp_path, examples_left=31 * BATCH).engine == "keras"
    assert made["fast"].compiled == 0
    assert _consider(tmp_path, examples_left=50 * BATCH).engine == "fast"


def test_a_slower_engine_is_not_tried_where_one_is_fast_enough(engines: Any, tmp_path: Path) -> None:
    made = engines(fast=Pretended("fast", 0.001), other=Pretended("other", 0.5))
    assert _consider(tmp_path, examples_left=50 * BATCH).engine == "fast"
    assert made["other"].compiled == 0


def test_one_machine_gives_one_answer(engines: Any, tmp_path: Path) -> None:
    made = engines(fast=Pretended("fast", 0.5))
    assert _consider(tmp_path).engine == "fast"
    made["fast"].seconds = 3.0
    for left in (_MANY, 1):
        assert _consider(tmp_path, left, sample=_never) == Choice(
            "fast", "chosen before on this machine", {"keras": BATCH, "fast": 2 * BATCH}
        )
    assert _consider(tmp_path / "elsewhere").engine == "keras"


def test_a_choice_for_keras_is_remembered_too(engines: Any, tmp_path: Path) -> None:
    made = engines(slow=Pretended("slow", 3.0))
    assert _consider(tmp_path).engine == "keras"
    made["slow"].seconds = 0.1
    assert _consider(tmp_path, sample=_never).engine == "keras"


def test_that_a_pass_was_short_is_not_remembered(engines: Any, tmp_path: Path) -> None:
    engines(fast=Pretended("fast", 0.5))
    assert _consider(tmp_path, examples_left=3).engine == "keras"
    assert _consider(tmp_path).engine == "fast"


def test_the_answer_for_a_trunk_holds_for_its_other_cut_points_once_they_are_proven(
    engines: Any, tmp_path: Path
) -> None:
    made = engines(fast=Pretended("fast", 0.5))
    assert _consider(tmp_path).engine == "fast"
    made["fast"].seconds = 3.0
    wanted = [Wanted("relu0", False), Wanted("conv1", False)]
    assert _consider(tmp_path, 1, wanted=wanted).engine == "fast"
    assert _consider(tmp_path, 1, wanted=wanted[1:], sample=_never).engine == "fast"
    # Where the new one differs, Keras runs this pass, and what was proven stays proven.
    made["fast"].alter = lambda rows: [rows[0], rows[1] * 2]
    assert _consider(tmp_path, 1, wanted=[Wanted("relu0", False), Wanted("norm1", False)]).engine == "keras"
    assert _consider(tmp_path, 1, sample=_never).engine == "fast"


def test_other_weights_another_convention_or_version_ask_again(
    engines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engines(fast=Pretended("fast", 0.5))
    assert _consider(tmp_path).engine == "fast"
    changed = built("chain")
    changed.get_layer("conv0").kernel.assign(changed.get_layer("conv0").kernel * 2)
    assert _consider(tmp_path, 1, model=changed).engine == "keras"
    monkeypatch.setattr(Pretended, "version", lambda self: "2")
    assert _consider(tmp_path, 1).engine == "keras"
    monkeypatch.undo()
    assert made["fast"].compiled == 1


def test_an_engine_that_is_asked_for_is_proven_once(engines: Any, tmp_path: Path) -> None:
    made = engines(slow=Pretended("slow", 3.0))
    assert _consider(tmp_path, 1, "slow").engine == "slow"
    made["slow"].compiled = 0
    assert _consider(tmp_path, 1, "slow", sample=_never) == Choice("slow", "asked for, and proven equal to Keras")
    # It says nothing about which is the fastest.
    assert _consider(tmp_path).engine == "keras"


def test_keras_is_taken_at_its_word(engines: Any, tmp_path: Path) -> None:
    engines(fast=Pretended("fast", 0.1))
    assert _consider(tmp_path, asked="keras", sample=_never).engine == "keras"
    assert not list(tmp_path.iterdir())


def test_few_examples_fill_a_batch_and_may_be_loaded_when_needed(engines: Any, tmp_path: Path) -> None:
    engines(fast=Pretended("fast", 0.5))
    assert _consider(tmp_path, sample=lambda: _sample(3)).engine == "fast"


def test_what_is_remembered_can_be_read_by_people_and_damage_is_no_error(engines: Any, tmp_path: Path) -> None:
    engines(fast=Pretended("fast", 0.5))
    _consider(tmp_path)
    files = sorted((tmp_path / "engines").glob("*.json"))
    assert len(files) == len(_WANTED)
    text = [json.loads(path.read_text("utf-8")) for path in files]
    assert {item["about"]["cut_point"] for item in text} == {"relu0", "relu1"}
    assert {item["known"]["engine"] for item in text} == {"fast"}
    assert {item["about"]["machine"] for item in text} == {remembering.machine()}
    for path in files:
        path.write_text("{", "utf-8")
    assert _consider(tmp_path).engine == "fast"


def test_a_folder_that_cannot_be_written_to_is_no_error(engines: Any, tmp_path: Path) -> None:
    engines(fast=Pretended("fast", 0.5))
    (tmp_path / "engines").write_text("a file where the folder would be")
    assert _consider(tmp_path).engine == "fast"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(RequestError, match="expected an engine named auto, keras, openvino, onnxruntime, found 'onx'"):
        consider(built("chain"), _SPEC, 255.0, _WANTED, _never, 5, "onx")


def test_a_random_layer_is_refused_while_choosing(engines: Any, tmp_path: Path) -> None:
    engines(fast=Pretended("fast", 0.5))
    inputs = keras.Input((12, 12, 3))
    noisy = Noisy(lambda x: keras.random.normal(keras.ops.shape(x), seed=2), name="noisy")
    with pytest.raises(SourceError, match="layer 'noisy' of class Noisy"):
        _consider(tmp_path, model=keras.Model(inputs, noisy(inputs)), wanted=[Wanted("noisy", False)])


@pytest.mark.parametrize("engine", OTHERS)
def test_a_real_engine_is_proven_and_taken_by_name(engine: str, tmp_path: Path) -> None:
    require(engine)
    assert _consider(tmp_path, 1, engine).engine == engine
    (known, *_) = [json.loads(path.read_text("utf-8"))["known"] for path in (tmp_path / "engines").glob("*.json")]
    assert 0 <= known["proven"][engine] < 1e-5


def test_real_engines_are_measured_and_one_is_chosen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "regraft")
    found = _consider(tmp_path)
    here = {name for name in OTHERS if choosing.usable(name)}
    assert found.engine in {"keras", *here}
    if here:
        assert set(found.rates) <= {"keras", *here}
        assert f"engine: {found.engine} (examples a second here: keras " in caplog.text


def test_onnx_runtime_is_refused_where_it_treats_rows_unlike(tmp_path: Path) -> None:
    require("onnxruntime")
    model = built("custom")
    raw = np.asarray(examples("custom", BATCH), "float32")
    wanted = [Wanted("top", False)]
    found = consider(model, InputSpec((5,)), 255.0, wanted, raw, 10, "onnxruntime", folder=tmp_path)
    assert found.engine == "keras"
    assert "an example's result depends on its place or neighbours" in found.reason
