"""Models leave the catalogue and come back as they were; what others made is taken as far as it goes."""

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.catalogue import Catalogue, open_catalogue
from regraft.core import safetensors
from regraft.core.card import Card, Lineage
from regraft.core.errors import CorruptFileError, RequestError, SourceError, WorkError
from regraft.formats import card_folder
from regraft.importers import hub
from regraft.recipes.cataloguing.adding import add
from regraft.recipes.cataloguing.exchange import export, import_model
from regraft.recipes.tracking import mlflow_store
from tests.formats.test_card_folder import model
from tests.report.test_catalogue_card import RUN

HEAD = """---
license: other
license_name: Ours
tags: [food, x]
pipeline_tag: image-classification
base_model: google/mobilenet_v2
datasets: [food101]
model-index:
- name: x
  results:
  - dataset: {name: Food, split: test}
    metrics: [{type: accuracy, value: 0.91}]
---
# Foods

Tells foods apart.
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """The catalogue that is meant where nobody says another."""
    monkeypatch.setenv("REGRAFT_ZOO", str(tmp_path / "here"))
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "cache"))
    return open_catalogue()


@pytest.fixture
def there(tmp_path: Path, here: Catalogue) -> Catalogue:
    """Another."""
    return open_catalogue(tmp_path / "there")


def rich(seed: int = 0, **said: object) -> tuple[Card, dict[str, bytes]]:
    """The weights of a small model with all that a run's card says."""
    card, parts = model(seed)
    told = {field: getattr(RUN, field) for field in ("kind", "summary", "verdict", "task", "classes", "inputs", "data")}
    told |= {field: getattr(RUN, field) for field in ("metrics", "licence", "citation", "tags", "certificate")}
    return dataclasses.replace(card, **{**told, **said}), parts


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    keras.utils.set_random_seed(1)
    made = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255, name="scale"),
            keras.layers.Conv2D(4, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.GlobalAveragePooling2D(name="mean"),
            keras.layers.Dense(3, activation="softmax", name="top"),
        ],
        name="tiny",
    )
    made.get_layer("norm").moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    return made


def test_a_model_comes_into_another_catalogue_as_it_was(here: Catalogue, there: Catalogue, tmp_path: Path) -> None:
    card, parts = rich()
    kept = here.add(card, parts)
    exported = export("net", tmp_path / "out")
    assert exported.model == "net@1"
    assert exported.bytes == sum((tmp_path / "out" / name).stat().st_size for name in exported.files)
    taken = import_model(tmp_path / "out", zoo=there.address)
    assert (taken.address, taken.is_new, taken.by_card) == ("net@1", True, True)
    assert (taken.notes, taken.unknown) == ((), ())
    assert there.card("net") == kept
    assert dict(there.parts(there.card("net"))) == parts
    # And out of that one again: the same folder, to the byte.
    export("net", tmp_path / "again", zoo=there.address)
    for path in (tmp_path / "out").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_into_the_catalogue_that_has_it_nothing_is_put(here: Catalogue, tmp_path: Path) -> None:
    here.add(*rich())
    export("net", tmp_path / "out")
    taken = import_model(tmp_path / "out")
    assert (taken.address, taken.is_new) == ("net@1", False)
    other = import_model(tmp_path / "out", name="other")
    assert (other.address, other.is_new) == ("other@1", True)
    assert other.card.digest == here.card("net").digest


def test_a_network_predicts_as_before_from_the_folder_and_from_the_other_catalogue(
    here: Catalogue, there: Catalogue, tmp_path: Path, tiny: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tiny, name="tiny", classes=("a", "b", "c"))
    export("tiny", tmp_path / "out")
    import_model(tmp_path / "out", zoo=there.address)
    pictures = np.random.default_rng(0).uniform(0, 255, (5, 8, 8, 3)).astype("float32")
    expected = tiny.predict(pictures, verbose=0)
    from_folder = importers.open(tmp_path / "out")
    monkeypatch.setenv("REGRAFT_ZOO", there.address)
    for opened in (from_folder, importers.open("zoo:tiny")):
        np.testing.assert_array_equal(opened.model.predict(pictures, verbose=0), expected)
        assert opened.classes == ("a", "b", "c")
        assert opened.inputs.name == "raw"


def test_a_folder_with_a_card_is_not_added_without_it(here: Catalogue, tmp_path: Path) -> None:
    here.add(*rich())
    export("net", tmp_path / "out")
    with pytest.raises(
        RequestError, match=r"'.*out' was exported from a catalogue and has its card; say: regraft zoo imp"
    ):
        add(tmp_path / "out")


def test_what_it_was_made_of_is_known_by_its_weights_under_another_name(
    here: Catalogue, there: Catalogue, tmp_path: Path
) -> None:
    parent, parts = model()
    here.add(parent, parts)
    child, child_parts = rich(
        1, name="child", lineage=Lineage(source="zoo:net@1", parent="net@1", digest=parent.digest, shared=5)
    )
    here.add(child, child_parts)
    export("child", tmp_path / "out")
    alone = import_model(tmp_path / "out", zoo=there.address)
    assert alone.card.lineage == dataclasses.replace(child.lineage, parent="")  # type: ignore[type-var]
    assert alone.notes == ("what it was made of, 'net@1' of the catalogue that it comes from, is not in this one",)
    # Another model of the parent's name is no parent.
    there.add(dataclasses.replace(parent, summary="x", digest="0" * 64), parts)
    assert import_model(tmp_path / "out", zoo=there.address, name="second").card.lineage.parent == ""  # type: ignore[union-attr]
    there.add(dataclasses.replace(parent, name="base"), parts)
    known = import_model(tmp_path / "out", zoo=there.address, name="third")
    assert known.card.lineage is not None
    assert known.card.lineage.parent == "base@1"
    assert known.notes == ("what it was made of, 'net@1', is 'base@1' here",)
    back = import_model(tmp_path / "out")
    assert (back.is_new, back.notes) == (False, ())
    # The parent's weights have several names, and the child is what it was, whichever is taken for it.
    there.add(dataclasses.replace(parent, name="another"), parts)
    renamed = dataclasses.replace(known.card.lineage, parent="another@1", shared=3)
    assert there.add(dataclasses.replace(known.card, lineage=renamed), child_parts) == known.card


def test_where_people_changed_the_readme_the_card_counts_and_it_is_said(here: Catalogue, tmp_path: Path) -> None:
    here.add(*rich())
    export("net", tmp_path / "out")
    path = tmp_path / "out" / "README.md"
    path.write_text(path.read_text(encoding="utf-8").replace("license: cc-by-4.0", "license: mit"), encoding="utf-8")
    taken = import_model(tmp_path / "out", name="other")
    assert taken.notes == ("README.md says the licence 'mit', the card 'cc-by-4.0'; the card's was taken",)
    assert taken.card.licence == "CC-BY-4.0"


def test_damage_leaves_the_catalogue_as_it_was(here: Catalogue, there: Catalogue, tmp_path: Path) -> None:
    here.add(*rich())
    export("net", tmp_path / "out")
    path = tmp_path / "out" / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    with pytest.raises(CorruptFileError, match=r"model\.safetensors"):
        import_model(tmp_path / "out", zoo=there.address)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CorruptFileError, match=r"layer '.*twin' of 'model.safetensors' .* was altered since"):
        import_model(tmp_path / "out", zoo=there.address)
    assert there.names() == []


def test_a_damaged_part_is_not_exported(here: Catalogue, tmp_path: Path) -> None:
    kept = here.add(*rich())
    digest = kept.architecture.layers[1].digest
    (file,) = (tmp_path / "here").rglob(f"{digest}*")
    file.write_bytes(b"x")
    with pytest.raises(CorruptFileError, match=r"was altered: layer 'conv' of 'net@1'"):
        export("net", tmp_path / "out")
    assert not card_folder.is_one(tmp_path / "out")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "nat"}, r"expected a model of the catalogue .*, found 'nat'; nearest known names: net"),
        ({"to": "zip"}, "expected hf or mlflow, found 'zip'"),
        ({"folder": None}, "expected a folder to write 'net@1' into, found none; name one"),
    ],
)
def test_wrong_requests_are_answered_in_a_line(
    here: Catalogue, tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    here.add(*rich())
    with pytest.raises(RequestError, match=said):
        export(**{"model": "net", "folder": tmp_path / "out", **asked})


def foreign(folder: Path, tiny: keras.Model, head: str | None = HEAD) -> Path:
    """What others put on a hub: weights by name, the configuration of Keras, a README."""
    folder.mkdir()
    arrays = {variable.path: np.asarray(variable) for variable in tiny.variables}
    (folder / "model.safetensors").write_bytes(safetensors.to_bytes(arrays))
    (folder / "config.json").write_text(
        json.dumps({**json.loads(tiny.to_json()), "id2label": {"0": "x", "1": "y", "2": "z"}})
    )
    if head is not None:
        (folder / "README.md").write_text(head)
    return folder


def test_a_folder_of_others_is_taken_as_far_as_it_goes(here: Catalogue, tmp_path: Path, tiny: keras.Model) -> None:
    taken = import_model(foreign(tmp_path / "my foods", tiny))
    card = taken.card
    assert (taken.address, taken.by_card) == ("my-foods@1", False)
    assert (card.licence, card.tags, card.task) == ("Ours", ("food", "x"), "image-classification")
    assert card.classes == ("x", "y", "z")
    assert card.summary == "Tells foods apart. accuracy 0.91 on Food (test)"
    assert card.lineage is not None
    assert card.lineage.source == "hf://google/mobilenet_v2"
    assert card.data is not None
    assert card.data.name == "food101"
    assert not card.metrics
    assert taken.notes == (
        "the network is that of 'model.safetensors'",
        "README.md says accuracy 0.91 on Food (test), not on how many examples: it stands in the summary",
    )
    assert taken.unknown == ("how good it is, in figures with intervals",)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    opened = importers.open("zoo:my-foods")
    np.testing.assert_allclose(opened.model.predict(pictures, verbose=0), tiny.predict(pictures, verbose=0), rtol=1e-6)


def test_what_a_folder_of_others_does_not_say_is_named(here: Catalogue, tmp_path: Path, tiny: keras.Model) -> None:
    folder = foreign(tmp_path / "bare", tiny, None)
    (folder / "config.json").write_text(tiny.to_json())
    taken = import_model(folder)
    assert "there is no README.md" in taken.notes
    assert taken.unknown == (
        "the licence",
        "what its 3 outputs are called",
        "what it learnt from",
        "how good it is, in figures with intervals",
    )


def test_a_head_that_cannot_be_read_is_told(here: Catalogue, tmp_path: Path, tiny: keras.Model) -> None:
    taken = import_model(foreign(tmp_path / "odd", tiny, "---\nlicense: [mit\n---\n# x\n"))
    assert any(note.startswith("the head of README.md cannot be read: while parsing") for note in taken.notes)
    assert "the licence" in taken.unknown


def test_nothing_and_too_much_are_told(here: Catalogue, tmp_path: Path, tiny: keras.Model) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        RequestError, match=r"expected a network in '.*empty', a file such as .*, found none of a known"
    ):
        import_model(tmp_path / "empty")
    with pytest.raises(
        RequestError, match="expected the folder of a model, hf://USER/NAME, or models:/NAME/VERSION, found"
    ):
        import_model(tmp_path / "nowhere")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.toml").touch()
    with pytest.raises(
        RequestError, match=r"run' is the folder of a run or .*; `regraft zoo add .*run` keeps all that it says"
    ):
        import_model(tmp_path / "run")
    for name in ("one", "two"):
        tiny.save(tmp_path / "empty" / f"{name}.keras")
    with pytest.raises(
        RequestError, match=r"expected one network in .*, found 2 \(one.keras, two.keras\); say which with"
    ):
        import_model(tmp_path / "empty")


def test_weights_that_nothing_is_known_of_say_what_is_missing(here: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "model.safetensors").write_bytes(safetensors.to_bytes({"a": np.zeros(3, "float32")}))
    with pytest.raises(RequestError, match=r"nothing in '.*odd' can be opened as a network: .*--architecture"):
        import_model(tmp_path / "odd")


def test_a_model_on_the_hub_is_a_source_and_comes_into_the_catalogue(
    here: Catalogue, there: Catalogue, tmp_path: Path, tiny: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tiny, name="tiny", classes=("a", "b", "c"))
    export("tiny", tmp_path / "hub" / "ada" / "small")
    asked: list[dict[str, Any]] = []

    class Hub:
        """What the hub's client does, without the hub."""

        def hf_hub_download(self, filename: str, **place: Any) -> str:
            return str(self._file(place["repo_id"]) / filename)

        def snapshot_download(self, **place: Any) -> str:
            asked.append(place)
            return str(self._file(place["repo_id"]))

        def _file(self, name: str) -> Path:
            if not (tmp_path / "hub" / name).is_dir():
                raise OSError("404: no such\nplace")
            return tmp_path / "hub" / name

    def refused(address: str, **_: Any) -> None:
        raise ValueError("no model file of Keras")

    monkeypatch.setattr(hub, "_installed", lambda package: package == "huggingface_hub")
    monkeypatch.setattr(hub, "_library", Hub)
    monkeypatch.setattr(keras.saving, "load_model", refused)
    opened = importers.open("hf://ada/small@v1")
    assert opened.classes == ("a", "b", "c")
    assert opened.source == "hf://ada/small@v1"
    assert (asked[-1]["revision"], asked[-1]["allow_patterns"]) == ("v1", list(card_folder.FILES))
    taken = import_model("hf://ada/small", zoo=there.address)
    assert (taken.address, taken.by_card, taken.source) == ("small@1", True, "hf://ada/small")
    assert taken.card.digest == here.card("tiny").digest
    with pytest.raises(SourceError, match="could not open 'hf://ada/large': no model file of Keras; check the address"):
        importers.open("hf://ada/large")
    with pytest.raises(SourceError, match="could not download 'hf://ada/large': 404: no such place; check the address"):
        import_model("hf://ada/large")


@pytest.fixture(scope="module")
def folder_of_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: MLflow takes many seconds to make its tables."""
    return tmp_path_factory.mktemp("mlflow") / "store"


@pytest.fixture
def store(folder_of_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("mlflow", reason="needs mlflow: pip install 'regraft[mlflow]'")
    for name in (mlflow_store.TRACKING, mlflow_store.EXPERIMENT):
        monkeypatch.delenv(name, raising=False)
    return folder_of_mlflow


def test_a_model_comes_back_from_mlflow_as_it_was(here: Catalogue, there: Catalogue, store: Path) -> None:
    card, parts = rich()
    kept = here.add(card, parts)
    assert export("net", store, to="mlflow").place == "models:/net/1"
    assert export("net", store, to="mlflow").place == "models:/net/1"
    changed = here.add(dataclasses.replace(card, summary="another"), parts)
    assert export("net", store, to="mlflow").place == "models:/net/2"
    taken = import_model("models:/net/1", store=store, zoo=there.address)
    assert (taken.address, taken.source) == ("net@1", "models:/net/1")
    assert there.card("net@1") == kept
    assert dict(there.parts(there.card("net"))) == parts
    assert import_model("models:/net", store=store, zoo=there.address).card.summary == changed.summary


def test_mlflow_is_told_figures_and_where_the_files_are(here: Catalogue, store: Path) -> None:
    library = importlib.import_module("mlflow")
    here.add(*rich(name="told"))
    export("told", store, to="mlflow")
    client = library.MlflowClient(mlflow_store.address(store))
    version = client.get_model_version("told", "1")
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    metrics = RUN.metrics["test"]
    assert run.data.metrics["test/accuracy"] == metrics.accuracy.value
    assert run.data.metrics["test/accuracy_low"] == metrics.accuracy.interval[0]
    assert run.data.params["licence"] == "CC-BY-4.0"
    assert sorted(Path(each.path).name for each in client.list_artifacts(version.run_id, "model")) == [
        "MLmodel", "README.md", "config.json", "model.safetensors", "optimizer.npz", "regraft.json",
    ]  # fmt: skip


def test_what_mlflow_has_not_is_one_line(here: Catalogue, store: Path) -> None:
    here.add(*rich(name="one"))
    export("one", store, to="mlflow")
    with pytest.raises(RequestError, match="MLflow has no model 'nat'"):
        import_model("models:/nat", store=store)
    with pytest.raises(WorkError, match="MLflow refused 'models:/one/7'"):
        import_model("models:/one/7", store=store)
    with pytest.raises(RequestError, match="expected models:/NAME/VERSION, models:/NAME or models:/NAME@ALIAS, found"):
        import_model("models:/one/x", store=store)
    with pytest.raises(RequestError, match="expected a folder for MLflow's store, or MLFLOW_TRACKING_URI"):
        export("one", to="mlflow")
    with pytest.raises(RequestError, match="expected the folder of MLflow's store, found none at"):
        import_model("models:/one/1", store=store / "nowhere")


def test_without_mlflow_one_line_says_how_to_get_it(
    here: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.add(*rich())
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(RequestError, match=r"needs mlflow; install it with: pip install 'regraft\[mlflow\]'"):
        export("net", tmp_path / "store", to="mlflow")


def test_no_framework_is_loaded_for_a_model_with_its_card(here: Catalogue, tmp_path: Path) -> None:
    here.add(*rich())
    line = (
        "import sys; from regraft.recipes.cataloguing.exchange import export, import_model; "
        f"export('net', {str(tmp_path / 'out')!r}); import_model({str(tmp_path / 'out')!r}, name='other'); "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", line], check=False).returncode == 0
