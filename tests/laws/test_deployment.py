"""On every backend: what is delivered answers for raw files as the run did, and is nobody else's."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from regraft.importers import open as open_source
from regraft.recipes import judging, running, using
from tests.recipes.shapes import CLASSES, SIZE, convolutional, picture, write_pictures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "shapes", 10)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JPEG files, some of them large enough to be decoded at a half or a quarter of their size."""
    folder = tmp_path_factory.mktemp("data") / "photographs"
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
        for index in range(10):
            shape = ((150, 200), (40, 24), (65, 131), (90, 70), (260, 140))[index % 5]
            Image.fromarray(picture(label, index, *shape)).save(folder / label / f"{index}.jpg")
    return folder


@pytest.mark.parametrize(("kind", "decoding"), [("pictures", "full"), ("photographs", "draft")])
def test_the_model_answers_as_the_run_did(
    kind: str, decoding: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pictures: Path = request.getfixturevalue(kind)
    own: list[np.ndarray] = []
    judge = judging.judge

    def listen(survey: object, selected: object, final: object, plan: object) -> judging.Judged:
        own.append(judging.probabilities(survey, final, plan, np.arange(len(survey.examples))))  # pyright: ignore
        names.extend(survey.examples.names)  # pyright: ignore
        return judge(survey, selected, final, plan)  # pyright: ignore

    names: list[str] = []
    monkeypatch.setattr(judging, "judge", listen)
    source = open_source(convolutional(), preprocessing="caffe")
    source = dataclasses.replace(source, inputs=dataclasses.replace(source.inputs, decoding=decoding))
    run = running.fit(pictures, source, fine_tune="no", baselines="no", out=tmp_path / "run")
    assert using.input_spec(running.load(run.folder)).decoding == decoding
    made = {answer.name: answer for answer in using.predict(running.load(run.folder), [pictures])}
    answers = [list(made[str(pictures / name)].probabilities.values()) for name in names]
    # One way sums the head in float64, the other in float32.
    np.testing.assert_allclose(answers, own[0], atol=1e-5)


def test_runs_and_their_source_share_nothing(pictures: Path, tmp_path: Path) -> None:
    """Keras gives the arrays of a model away when it runs on JAX: a model that shared them would be dead afterwards."""
    source = convolutional()
    raw = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.float32)
    before = np.asarray(keras.ops.convert_to_numpy(source(raw, training=False)))
    settings = {"preprocessing": "tf", "fine_tune": "no", "baselines": "no", "cut_point": "conv3"}
    one, other = (running.fit(pictures, source, **settings, out=tmp_path / name) for name in ("one", "other"))
    first = one.model.predict_on_batch(raw)
    assert np.array_equal(other.model.predict_on_batch(raw), first)
    source.predict_on_batch(raw)
    assert np.array_equal(one.model.predict_on_batch(raw), first)
    assert np.array_equal(keras.ops.convert_to_numpy(source(raw, training=False)), before)
