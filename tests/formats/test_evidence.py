"""What a run keeps for its page reads back as it was written, or is refused whole."""

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.evidence import Evidence
from regraft.formats.evidence import read, write
from tests.report.evidence import evidence


def same(one: object, other: object) -> bool:
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one)
        )
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    return one == other


def made() -> Evidence:
    kept = evidence(40, 3)
    names = ("a\udcff.jpg", "b\n.jpg", "", *kept.answers.names[3:])
    return dataclasses.replace(
        kept,
        answers=dataclasses.replace(kept.answers, names=names),
        thumbnails={"00" * 16: b"\xff\xd8\xff one", "01" * 16: b"", "02" * 16: b"\x89PNG"},
    )


@pytest.mark.parametrize("without", [(), ("embedding",), ("pictures",), ("embedding", "pictures")])
def test_what_is_read_is_what_was_written(without: tuple[str, ...], tmp_path: Path) -> None:
    kept = dataclasses.replace(made(), **dict.fromkeys(without))
    write(tmp_path / "report.npz", kept)
    assert same(read(tmp_path / "report.npz"), kept)
    assert same(kept, kept)
    assert not same(kept, evidence(41, 3))


def test_a_map_of_one_side_is_kept_so(tmp_path: Path) -> None:
    kept = evidence(12, 2, two=False)
    write(tmp_path / "report.npz", kept)
    found = read(tmp_path / "report.npz")
    assert found.embedding is not None
    assert found.embedding.after is None


def test_equal_evidence_makes_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, made())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_ten_thousand_examples_take_little(tmp_path: Path) -> None:
    write(tmp_path / "report.npz", evidence(10_000, 10))
    assert (tmp_path / "report.npz").stat().st_size < 1_000_000


def test_a_file_that_is_cut_off_or_altered_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.npz"
    write(path, made())
    content = path.read_bytes()
    for end in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(CorruptFileError, match=r"report\.npz"):
            read(path)
    refused = 0
    for place in range(60, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            # A byte that stands for nothing, such as a date, may be another one.
            assert same(read(path), made())
        except (CorruptFileError, SourceError):
            refused += 1
    assert refused > 20


def test_parts_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    kept = made()
    assert kept.embedding is not None
    assert kept.pictures is not None
    wrong = [
        dataclasses.replace(kept, answers=dataclasses.replace(kept.answers, labels=kept.answers.labels - 1)),
        dataclasses.replace(kept, answers=dataclasses.replace(kept.answers, right=kept.answers.right[:-1])),
        dataclasses.replace(kept, embedding=dataclasses.replace(kept.embedding, rows=kept.embedding.rows + 1)),
        dataclasses.replace(kept, pictures=dataclasses.replace(kept.pictures, columns=0)),
        dataclasses.replace(
            kept,
            embedding=dataclasses.replace(
                kept.embedding,
                before=dataclasses.replace(kept.embedding.before, places=kept.embedding.before.places + 1000),
            ),
        ),
    ]
    for each in wrong:
        write(tmp_path / "report.npz", each)
        with pytest.raises(CorruptFileError, match="its parts do not fit each other; get the file again"):
            read(tmp_path / "report.npz")


def test_no_file_and_another_version_are_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected what a run keeps for its report at .*, found no file"):
        read(tmp_path / "report.npz")
    content = io.BytesIO()
    np.lib.format.write_array(content, np.frombuffer(b'{"version": 9}', np.uint8))
    with zipfile.ZipFile(tmp_path / "report.npz", "w") as file:
        file.writestr("about.npy", content.getvalue())
    with pytest.raises(SourceError, match="is of version 9, expected 1; update Regraft"):
        read(tmp_path / "report.npz")
