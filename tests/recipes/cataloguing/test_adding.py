"""What becomes a model of the catalogue, and what its card says."""

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import regraft
from regraft.catalogue import Filters, open_catalogue
from regraft.core import plan as plans
from regraft.core.errors import RequestError
from regraft.core.exhibit import exhibit
from regraft.recipes.cataloguing.adding import add


@pytest.fixture(scope="module")
def run(pictures: Path, network: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> regraft.Run:
    """A run with fine-tuned layers above frozen ones, whose source is a file."""
    folder = tmp_path_factory.mktemp("run")
    source = shutil.copy(network(), folder / "source.keras")
    return regraft.fit(pictures, source, out=folder / "shapes", fine_tune="yes", baselines="no", cache=folder / "cache")


def test_a_run_says_how_good_it_is_and_of_what_it_was_made(run: regraft.Run) -> None:
    parent = add(run.record.plan.source)
    card = add(run.folder, licence="MIT", tags=("one", "two", "one")).card
    record = run.record
    assert (card.kind, card.name, card.task) == ("run", "shapes", "image-classification")
    assert (card.classes, card.metrics, card.certificate) == (record.classes, record.metrics, record.certificate)
    assert (card.verdict, card.load, card.environment) == (record.verdict, record.load, record.environment)
    assert card.tags == ("one", "two")
    assert plans.from_toml(card.plan) == record.plan
    assert card.data is not None
    assert card.data.digest == record.plan.data_digest
    assert (card.data.examples, card.data.per_class) == (record.data.examples, record.data.per_class)
    lineage = card.lineage
    assert lineage is not None
    assert (lineage.parent, lineage.digest) == (parent.address, parent.card.digest)
    assert lineage.reused == record.reused_layers
    # Every layer with variables that is reused is frozen or learnt, and what is frozen is the parent's.
    assert set(lineage.frozen) | set(lineage.thawed) == set(record.reused_layers)
    assert not set(lineage.frozen) & set(lineage.thawed)
    assert lineage.shared >= len(lineage.frozen)
    assert card.optimizer is not None


def test_a_run_opens_as_its_model_does(run: regraft.Run) -> None:
    add(run.folder)
    opened = regraft.open("zoo:shapes")
    assert opened.classes == run.record.classes
    assert opened.inputs.shape == run.record.plan.input.shape  # pyright: ignore
    assert opened.inputs.scale == (1.0,)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 40, 50, 3)).astype(np.float32)
    ours, theirs = opened.model(pictures, training=False), run.model(pictures, training=False)
    assert np.array_equal(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs))


def test_a_source_whose_file_is_gone_is_known_by_its_frozen_layers(
    pictures: Path, network: Callable[..., Path], tmp_path: Path
) -> None:
    source = shutil.copy(network(), tmp_path / "gone.keras")
    made = regraft.fit(pictures, source, out=tmp_path / "run", fine_tune="no", baselines="no", cache=tmp_path / "cache")
    first = add(source, name="first")
    Path(source).unlink()
    assert add(made.folder, name="made").card.lineage.parent == first.address  # pyright: ignore
    # A sibling that has the layers too is no parent.
    assert add(made.folder, name="again").card.lineage.parent == first.address  # pyright: ignore
    open_catalogue().remove("first")
    assert add(made.folder, name="orphan").card.lineage.parent == ""  # pyright: ignore


def test_the_family_goes_on_for_generations(run: regraft.Run, pictures: Path, tmp_path: Path) -> None:
    add(run.record.plan.source)
    add(run.folder)
    child = regraft.fit(pictures, "zoo:shapes", out=tmp_path / "child", fine_tune="no", baselines="no", cache=tmp_path)
    assert child.record.plan.source == "zoo:shapes@1"
    card = add(child.folder).card
    assert card.lineage is not None
    assert card.lineage.parent == "shapes@1"
    assert [entry.address for entry in open_catalogue().children("shapes@1")] == ["child@1"]
    assert [entry.address for entry in open_catalogue().children("source@1")] == ["shapes@1"]


def test_a_pretraining_says_by_what_it_learnt(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = (random.normal(0, 1, (120, 16)) + 3 * random.normal(size=(3, 16))[y]).astype(np.float32)
    options = {"architecture": "mlp?units=8,4", "epochs": 2, "settings": {"batch_size": 16}}
    made = regraft.pretrain("denoising-autoencoder", {"x": x}, out=tmp_path / "source", compare="no", **options)
    card = add(tmp_path / "source").card
    assert (card.kind, card.task) == ("pretraining", "feature-extraction")
    assert card.pretraining["method"] == "denoising-autoencoder"
    assert card.summary == "pretrained by denoising-autoencoder on 108 rows of numbers, without a task"
    # Its representation has 4 values, and no classes.
    assert (card.architecture.outputs, card.classes, regraft.open(tmp_path / "source").classes) == (4, (), None)
    assert [entry.classes for entry in open_catalogue().search("")] == [0]
    assert open_catalogue().search("", Filters(classes=4)) == ()
    assert exhibit(card).outputs is None
    assert card.data is not None
    assert card.data.examples == {"train": made.record.examples, "held out": made.record.held_out}
    opened = regraft.open("zoo:source")
    assert opened.inputs == regraft.open(tmp_path / "source").inputs
    assert np.array_equal(opened.model.predict(x[:5], verbose=0), made.model.predict(x[:5], verbose=0))


def test_what_is_not_finished_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.toml").write_text('source = "x"\n')
    with pytest.raises(RequestError, match="is not finished; `regraft resume"):
        add(tmp_path / "run")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "asked.toml").write_text('method = "rbm"\n')
    with pytest.raises(RequestError, match=r"the pretraining in '.*' is not finished"):
        add(tmp_path / "begun")
    assert open_catalogue().search() == ()


def test_texts_take_their_vocabulary_along(tmp_path: Path) -> None:
    words = {"good": ["fine fine day", "lovely day", "very good"], "bad": ["awful night", "bad bad", "poor thing"]}
    texts = [text for some in words.values() for text in some] * 8
    labels = [name for name, some in words.items() for _ in some] * 8
    made = regraft.pretrain("masked", texts, out=tmp_path / "source", epochs=1, compare="no", length=6)
    summary = add(tmp_path / "source").card.summary
    assert summary == f"pretrained by masked on {made.record.examples} texts, without a task"
    opened = regraft.open("zoo:source")
    assert opened.inputs.text is not None
    assert opened.inputs == regraft.open(made.folder).inputs
    run = regraft.fit(
        (texts, labels), "zoo:source", out=tmp_path / "run", fine_tune="no", baselines="no", cache=tmp_path / "cache"
    )
    card = add(run.folder).card
    assert card.task == "text-classification"
    assert card.inputs is not None
    assert card.inputs.text == opened.inputs.text
