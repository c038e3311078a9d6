import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft import data
from regraft.core import digest
from regraft.core.errors import DataError, RequestError
from regraft.core.plan import SplitSpec
from regraft.core.progress import collecting_warnings

datasets = pytest.importorskip("datasets")

ALL_TRAIN = SplitSpec(0, 0)
X = np.random.default_rng(0).integers(0, 256, (8, 5, 4, 3), dtype=np.uint8)
CLASSES = datasets.ClassLabel(names=["rose", "daisy"])


def pictures(**more: object) -> "datasets.Dataset":
    columns = {"image": [Image.fromarray(x) for x in X], "label": [0, 1] * 4, **more}
    return datasets.Dataset.from_dict(columns).cast_column("label", CLASSES)


def test_pictures_and_class_labels() -> None:
    examples = data.open(pictures(), split=ALL_TRAIN)
    assert examples.classes == ("rose", "daisy")
    assert examples.labels.tolist() == [0, 1] * 4
    assert examples.shape is None
    np.testing.assert_array_equal(np.stack(examples.load(range(8), 3)), X)


def test_the_id_is_that_of_the_file(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(8)]
    for path, x in zip(paths, X, strict=True):
        Image.fromarray(x).save(path)
    columns = {"picture": [str(path) for path in paths], "label": ["a", "b"] * 4}
    by_path = datasets.Dataset.from_dict(columns).cast_column("picture", datasets.Image())
    embedded = [{"bytes": path.read_bytes(), "path": None} for path in paths]
    by_bytes = datasets.Dataset.from_dict({**columns, "picture": embedded}).cast_column("picture", datasets.Image())
    for dataset in (by_path, by_bytes):
        examples = data.open(dataset, split=ALL_TRAIN)
        assert examples.ids == tuple(digest.of_file(path) for path in paths)
        assert examples.classes == ("a", "b")
        np.testing.assert_array_equal(examples.load([5], 3)[0], X[5])


def test_splits_and_labels_that_are_kept_back() -> None:
    whole = pictures()
    hidden = whole.select([6, 7]).cast_column("label", datasets.Value("int64")).map(lambda row: {"label": -1})
    sets = {
        "train": whole.select(range(5)),
        "validation": whole.select([5]),
        "test": hidden.cast_column("label", CLASSES),
    }
    sets["unsupervised"] = whole
    with collecting_warnings() as warned:
        examples = data.open(datasets.DatasetDict(sets))
    assert examples.summary().examples == {"train": 5, "validation": 1}
    assert examples.names[5] == "validation index 0"
    assert examples.left_out == (
        "split 'unsupervised' is none of train, validation, test",
        "'test index 0' has no label",
        "'test index 1' has no label",
    )
    assert len(warned) == 1


def test_arrays_keep_their_dtype() -> None:
    features = datasets.Features({"x": datasets.Array3D((5, 4, 3), "uint8"), "label": CLASSES})
    dataset = datasets.Dataset.from_dict({"x": X, "label": [0, 1] * 4}, features=features)
    expected = data.open({"x": X, "y": [0, 1] * 4, "classes": ["rose", "daisy"]}, split=ALL_TRAIN)
    assert data.open(dataset, split=ALL_TRAIN).digest() == expected.digest()
    flat = X.reshape(8, -1).astype(np.float32) / 255
    examples = data.open(datasets.Dataset.from_dict({"features": flat, "y": ["a", "b"] * 4}), split=ALL_TRAIN)
    assert examples.shape == (60,)
    assert examples.full_intensity == 255, "white is a word about pictures; features are taken as they are"
    np.testing.assert_array_equal(examples.load([3])[0], flat[3])


def test_the_label_column_can_be_named() -> None:
    dataset = pictures(coarse=["x"] * 4 + ["y"] * 4)
    assert data.open(dataset, labels="coarse").classes == ("x", "y")
    with pytest.raises(DataError, match="no column 'coarce'; nearest known names: coarse"):
        data.open(dataset, labels="coarce")
    with pytest.raises(RequestError, match="labels= names the label column"):
        data.open(dataset, labels=[1, 2])


def test_damaged_pictures() -> None:
    buffer = io.BytesIO()
    Image.fromarray(X[0]).save(buffer, "PNG")
    stored = [buffer.getvalue(), b"", b"no picture", buffer.getvalue()[:50]]
    columns = {
        "image": [{"bytes": content, "path": None} for content in [*stored, *stored]],
        "label": [0] * 4 + [1] * 4,
    }
    examples = data.open(datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image()), split=ALL_TRAIN)
    assert examples.names == ("index 0", "index 3", "index 4", "index 7")
    assert examples.left_out[0] == "'index 1' holds no picture"
    assert examples.left_out[1].startswith("'index 2' is not a picture: it begins with 'no picture'")
    with pytest.raises(data.UnreadableExample, match="'index 3' cannot be decoded"):
        examples.load([1], 3)


def test_data_sets_that_cannot_be_used() -> None:
    with pytest.raises(DataError, match="found a stream; load it without streaming"):
        data.open(pictures().to_iterable_dataset())
    with pytest.raises(DataError, match=r"expected a column of labels .*, found image; name it with labels="):
        data.open(pictures().remove_columns("label"))
    with pytest.raises(DataError, match=r"expected a column of pictures .*, found text"):
        data.open(datasets.Dataset.from_dict({"text": ["a"], "label": [0]}))
    with pytest.raises(DataError, match=r"expected a split 'train' .*, found test"):
        data.open(datasets.DatasetDict({"test": pictures()}))
