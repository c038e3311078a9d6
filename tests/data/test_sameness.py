"""Ids, labels, splits, order and digest of the same data stay what they were: plans and caches are kept by them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft import data
from regraft.core import digest
from regraft.core.plan import SplitSpec
from regraft.core.progress import collecting_warnings

X = np.arange(40 * 6, dtype=np.uint8).reshape(40, 2, 3)
Y = np.arange(40) * 7 % 4


def content(number: int) -> bytes:
    """What begins as a picture does; nothing is decoded here."""
    return b"\x89PNG\r\n\x1a\n" + bytes([number]) * (number + 1)


def folder(place: Path) -> Any:
    for number in range(30):
        path = (
            place / "flowers" / ("rose", "10", "9")[number % 3] / ("deep" if number % 5 == 0 else "") / f"{number}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(number % 26))
    (place / "flowers" / "rose" / "bad.png").write_bytes(b"no picture")
    return place / "flowers"


def stated_folder(place: Path) -> Any:
    for number in range(24):
        split = ("train", "train", "val", "test")[number % 4]
        path = place / "stated" / split / "ab"[number % 3 % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(number))
    return place / "stated"


def table(place: Path) -> Any:
    folder(place)
    rows = "".join(f"flowers/{('rose', '10', '9')[n % 3]}/{n}.png,{'xyz'[n % 3]}\n" for n in range(30))
    (place / "table.csv").write_text(f"path,label\n{rows}")
    return place / "table.csv"


def parquet(place: Path) -> Any:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as file

    folder(place)
    rows = [n for n in range(30) if n % 5]
    paths = [f"flowers/{('rose', '10', '9')[n % 3]}/{n}.png" for n in rows]
    splits = [(None, "train", "test")[n % 3 if n > 9 else 1] for n in rows]
    file.write_table(pa.table({"path": paths, "label": [n % 2 for n in rows], "split": splits}), place / "t.parquet")
    return place / "t.parquet"


def pair(place: Path) -> Any:
    return X, Y


def words(place: Path) -> Any:
    return X.astype(">f4").transpose(0, 2, 1) / 3, np.array(["b", "a", None, "c"], dtype=object)[Y]


def parts(place: Path) -> Any:
    x = np.asfortranarray(X.reshape(40, 6)).astype(np.float64)
    return {"x_train": x[:30], "y_train": np.eye(4)[Y[:30]], "x_val": x[25:35], "y_val": np.eye(4)[Y[25:35]]}


def sizes(place: Path) -> Any:
    return [X[n, :, : 2 + n % 2].astype(np.uint16) for n in range(40)], Y * 2


def tensorflow(place: Path) -> Any:
    tf = pytest.importorskip("tensorflow")
    return {
        "train": tf.data.Dataset.from_tensor_slices((X[:30], Y[:30])).batch(7),
        "test": tf.data.Dataset.from_tensor_slices((X[30:], Y[30:])),
    }


def hugging_face(place: Path) -> Any:
    datasets = pytest.importorskip("datasets")
    columns = {
        "image": [{"bytes": content(n) if n else None, "path": None} for n in range(30)],
        "label": [-1 if n == 7 else n % 3 for n in range(30)],
    }
    whole = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    return datasets.DatasetDict({"train": whole.select(range(20)), "validation": whole.select(range(20, 30))})


MAKERS: tuple[Callable[[Path], Any], ...] = (
    folder, stated_folder, table, parquet, pair, words, parts, sizes, tensorflow, hugging_face,
)  # fmt: skip


def told(make: Callable[[Path], Any], place: Path) -> dict[str, Any]:
    """All that is promised of examples, in a few words."""
    given = make(place)
    with collecting_warnings() as warned:
        examples = data.open(given, split=SplitSpec(0.25, 0.2))
    return {
        "digest": examples.digest(),
        "ids": digest.of_strings(examples.ids),
        "names": digest.of_strings(examples.names),
        "first": (examples.names[0], examples.ids[0]),
        "labels": "".join(str(label) for label in examples.labels.tolist()),
        "splits": "".join(str(split)[1] for split in examples.split),
        "classes": examples.classes,
        "left_out": len(examples.left_out),
        "said": digest.of_strings(line.replace(str(place), "") for line in (*warned, *examples.left_out)),
    }


GOLDEN: dict[str, dict[str, Any]] = {
    "folder": {
        "digest": "6394ad6293179a35c8b31664a06c15a1",
        "ids": "7b82c8f35d98146047021244b1e18aa5",
        "names": "44e150dd69625813ad8d81301bc03a0a",
        "first": ("9/11.png", "44a3309a133ab126d09c2ac801da04ef"),
        "labels": "000000000011111111112222222222",
        "splits": "rreeareerraearreraeaerrraerrra",
        "classes": ("9", "10", "rose"),
        "left_out": 1,
        "said": "050a62a4eadce8e915487548788cff87",
    },
    "stated_folder": {
        "digest": "05ea2ec077af950171eac724dbf1df81",
        "ids": "8910b1ad616c0d9f3c8c0b6766679401",
        "names": "270a4a155c26d28e84b2a6366af8dccc",
        "first": ("train/a/0.png", "ef9cf8721afe9de02502d39ffdb75ac0"),
        "labels": "000000001111000011000011",
        "splits": "rrrrrrrrrrrraaaaaaeeeeee",
        "classes": ("a", "b"),
        "left_out": 0,
        "said": "cae66941d9efbd404e4d88758ea67670",
    },
    "table": {
        "digest": "ad60b2eea1d5cb367ddfb8e08d165547",
        "ids": "28a8db5eca0743a6df780f167bf18dc1",
        "names": "a4dcb2fec5912c62df5f3f1e6c9334b0",
        "first": ("flowers/10/1.png", "d8c591a03e697bf5556a111d10404516"),
        "labels": "120101202012120101202012",
        "splits": "aeerraerreeraerrrrarraee",
        "classes": ("x", "y", "z"),
        "left_out": 6,
        "said": "8bb8e16356a9bee6188b658d570b63f6",
    },
    "parquet": {
        "digest": "52f5eb5fd3aadceb93387d98c00fa293",
        "ids": "28a8db5eca0743a6df780f167bf18dc1",
        "names": "a4dcb2fec5912c62df5f3f1e6c9334b0",
        "first": ("flowers/10/1.png", "d8c591a03e697bf5556a111d10404516"),
        "labels": "101001011010010110100101",
        "splits": "aaarrrareaaererrrrereaae",
        "classes": ("0", "1"),
        "left_out": 0,
        "said": "b0785f86c8602a257e1fa09156d96930",
    },
    "pair": {
        "digest": "5cd460d1d0e28bd07ad3144bc8ae67c2",
        "ids": "ccf7116416471b8a47e8a82d2eb37c3d",
        "names": "4664ebbc5286e7b03f88f18881226da3",
        "first": ("index 0", "27af95063b63a88e6da891993c6ef891"),
        "labels": "0321032103210321032103210321032103210321",
        "splits": "rrrreeaarrerarrrrraareaerrerrrearrrrrrra",
        "classes": ("0", "1", "2", "3"),
        "left_out": 0,
        "said": "cae66941d9efbd404e4d88758ea67670",
    },
    "words": {
        "digest": "75a54a69db401476acb0413ce83eabc4",
        "ids": "bbf1910a66f06ea598eef6e19238fd7d",
        "names": "d9c14904697290d1b078cb6d0ec9c89f",
        "first": ("index 0", "9275b23de04da2291dcc183f58d383c3"),
        "labels": "120120120120120120120120120120",
        "splits": "rrrrrrrrerrrareeeaeraaerrerrrr",
        "classes": ("a", "b", "c"),
        "left_out": 10,
        "said": "a263c6699f29ba2df9023e92f262875b",
    },
    "parts": {
        "digest": "3858612320edc826e5a78a899b185887",
        "ids": "64fa0310097af1951e74feb191be1e0c",
        "names": "b29a2d1892001c5b8ffc72311e618e3b",
        "first": ("train index 0", "85f4196816bf9ea9446c79246e9e485d"),
        "labels": "0321032103210321032103210321033210321032",
        "splits": "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrraaaaaaaaaa",
        "classes": ("0", "1", "2", "3"),
        "left_out": 0,
        "said": "038f3bd000e3d6f70f4ca33028b38def",
    },
    "sizes": {
        "digest": "2a5b69b1c35f2782d0ac995e5e26c6de",
        "ids": "f725ecbb460d5b29c150d35c134fec9e",
        "names": "4664ebbc5286e7b03f88f18881226da3",
        "first": ("index 0", "8cde678da352401e82df27b07a628317"),
        "labels": "0321032103210321032103210321032103210321",
        "splits": "eraeaaeererrraarrrrrarrarraaerrrarerarer",
        "classes": ("0", "2", "4", "6"),
        "left_out": 0,
        "said": "cae66941d9efbd404e4d88758ea67670",
    },
    "tensorflow": {
        "digest": "c3935d192430e7f0d2845d1fb7ae3587",
        "ids": "ccf7116416471b8a47e8a82d2eb37c3d",
        "names": "fcbccc8c0c834bb5a1ee21105d6d4c9c",
        "first": ("train index 0", "27af95063b63a88e6da891993c6ef891"),
        "labels": "0321032103210321032103210321032103210321",
        "splits": "rrrraaaarrararrrrrrrraaarrarrreeeeeeeeee",
        "classes": ("0", "1", "2", "3"),
        "left_out": 0,
        "said": "cae66941d9efbd404e4d88758ea67670",
    },
    "hugging_face": {
        "digest": "1327ef8581d2fdbc1e090d248a60bc56",
        "ids": "f46d05090933e28ee1b521dfea0dcd73",
        "names": "b5eccdc9719758499a9ccc0c501f3d18",
        "first": ("train index 1", "d8c591a03e697bf5556a111d10404516"),
        "labels": "1201202012012012012012012012",
        "splits": "rrrrrrrrrrrrrrrrrraaaaaaaaaa",
        "classes": ("0", "1", "2"),
        "left_out": 2,
        "said": "02f83fd553d5fbf3b0329ae02af46e9b",
    },
}


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_same_data_are_the_same_examples(make: Callable[[Path], Any], tmp_path: Path) -> None:
    assert told(make, tmp_path) == GOLDEN[make.__name__]
