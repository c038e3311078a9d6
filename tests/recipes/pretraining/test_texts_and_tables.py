"""Pretraining on texts and on rows of tables, and what it made as a source."""

import json
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import regraft
from regraft.core.errors import DataError, RequestError, SourceError
from regraft.core.pretraining import Asked
from regraft.core.progress import collecting_warnings
from regraft.data import open_unlabelled
from regraft.pretraining import method
from regraft.pretraining.noise import Disturbed
from regraft.recipes.encoding import table_for
from regraft.recipes.pretraining.preparing import inputs_for
from regraft.recipes.pretraining.task import task_of

GOOD, BAD, THINGS = ("fine", "lovely", "great"), ("poor", "dull", "awful"), ("film", "plot", "cast")
QUIET = {"fine_tune": "no", "baselines": "no"}
LABEL = {"label": "outcome"}
SMALL = {"epochs": 2, "settings": {"batch_size": 16}}


def sentences(count: int, seed: int) -> list[str]:
    draws = np.random.default_rng(seed)
    made: list[str] = []
    for index in range(count):
        words = [*draws.choice(GOOD if index % 2 else BAD, 2), *draws.choice(THINGS, 2), f"nr{seed}x{index}"]
        made.append(" ".join(draws.permutation(words).tolist()))
    return made


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "lines.txt").write_text("\n".join(sentences(120, 0)) + "\n\n", encoding="utf-8")
    labelled = "".join(f"{text},{'nyes'[index % 2 :][:1]}\n" for index, text in enumerate(sentences(60, 1)))
    (folder / "some.csv").write_text("text,label\n" + labelled, encoding="utf-8")
    made = regraft.pretrain(
        "corrupted",
        folder / "lines.txt",
        out=folder / "source",
        architecture="text-cnn?width=8&filters=8",
        labels=folder / "some.csv",
        probe=40,
        compare="no",
        **SMALL,
    )
    assert made.record.kind == "text"
    assert made.record.asked.columns.text == "text"
    assert made.record.stages[0].history[0].probe is not None
    return folder / "source"


def test_a_source_of_texts_says_its_words(source: Path, tmp_path: Path) -> None:
    opened = regraft.open(source)
    spec = opened.inputs.text
    assert set(spec.tokens[3:]) == {*GOOD, *BAD, *THINGS}
    assert opened.inputs.shape == (8,)
    texts = sentences(60, 2)
    with collecting_warnings() as warned:
        run = regraft.fit(
            (texts, [index % 2 for index in range(60)]), source, out=tmp_path / "run", cache=tmp_path, **QUIET
        )
    assert not any("does not say" in line for line in warned)
    assert run.record.plan.input.text == spec
    assert run.record.metrics["test"].accuracy.value > 0.9
    with pytest.raises(RequestError, match=r"takes words, and characters were asked for"):
        regraft.fit((texts, [0, 1] * 30), source, tokens="characters", out=tmp_path / "no", cache=tmp_path)


def test_lists_of_texts_and_words_that_are_guessed(tmp_path: Path) -> None:
    with collecting_warnings() as warned:
        made = regraft.pretrain(
            "masked",
            sentences(80, 0),
            out=tmp_path / "source",
            architecture="text-transformer?width=8&heads=2&inner=8&layers=1",
            length=4,
            lenient=True,
            vocabulary=10,
            probe=0,
            **SMALL,
        )
    assert made.record.inputs.text.size == 10
    assert any(re.search(r"80 of 80 texts of .* have more than the 4 words", line) for line in warned)
    assert made.record.shape == (16,)


def test_a_table_without_labels(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    size = draws.normal(0, 1, 160)
    lines = [f"{one:.4f},{2 * one + draws.normal(0, 0.1):.4f},{'ab'[int(one > 0)]}\n" for one in size]
    (tmp_path / "t.csv").write_text("x,y,side\n" + "".join(lines), encoding="utf-8")
    made = regraft.pretrain(
        "corrupted", tmp_path / "t.csv", out=tmp_path / "source", architecture="mlp?units=16", probe=0, **SMALL
    )
    assert made.record.kind == "table"
    assert made.record.inputs.table.names == ("x", "y", "side")
    assert made.record.inputs.shape == (5,)
    labelled = [f"{line.split(',')[2].strip()},{line.split(',')[0]},{'pn'[int(line[0] == '-')]}\n" for line in lines]
    (tmp_path / "l.csv").write_text("side,x,label\n" + "".join(labelled), encoding="utf-8")
    with pytest.raises(
        DataError,
        match=r"expected the 3 columns that the network was trained on, found no 'y' in '.*l.csv'; .*; a column of whi",
    ):
        regraft.fit(tmp_path / "l.csv", tmp_path / "source", out=tmp_path / "no", cache=tmp_path)
    rows = [f"{line.strip()},{'pn'[int(line[0] == '-')]}\n" for line in lines]
    (tmp_path / "all.csv").write_text("x,y,side,label\n" + "".join(rows), encoding="utf-8")
    run = regraft.fit(tmp_path / "all.csv", tmp_path / "source", out=tmp_path / "run", cache=tmp_path, **QUIET)
    assert run.record.plan.input.table == made.record.inputs.table
    assert run.record.metrics["test"].accuracy.value > 0.9


def rows_of(folder: Path, count: int = 100) -> tuple[Path, Path]:
    """A table with labels, and the same without its column of labels."""
    draws = np.random.default_rng(0)
    rows = [(f"{one:.4f}", f"{other:.4f}", "ny"[int(one > 0)]) for one, other in draws.normal(0, 1, (count, 2))]
    (folder / "all.csv").write_text("x,y,outcome\n" + "".join(f"{','.join(row)}\n" for row in rows), encoding="utf-8")
    (folder / "bare.csv").write_text("x,y\n" + "".join(f"{','.join(row[:2])}\n" for row in rows), encoding="utf-8")
    return folder / "all.csv", folder / "bare.csv"


def test_a_test_example_of_the_labels_is_not_learnt_from(tmp_path: Path) -> None:
    labelled, bare = rows_of(tmp_path)
    given = {"architecture": "mlp?units=4", "probe": 0, "columns": LABEL, **SMALL}
    alone = regraft.pretrain("masked", labelled, out=tmp_path / "one", **given)
    beside = regraft.pretrain("masked", bare, labels=labelled, out=tmp_path / "other", **given)
    tests = int((regraft.open_data(labelled, columns=LABEL).split == "test").sum())
    assert alone.record.unused == beside.record.unused == tests > 0


def test_a_column_of_labels_that_is_not_there_is_refused(tmp_path: Path) -> None:
    labelled, _ = rows_of(tmp_path)
    given = {"architecture": "mlp?units=4", "probe": 0, **SMALL}
    with pytest.raises(
        DataError, match=r"labels in the column 'outcom' of .*, found none; nearest known names: outcom"
    ):
        regraft.pretrain("masked", labelled, out=tmp_path / "no", columns={"label": "outcom"}, **given)
    regraft.pretrain("masked", labelled, out=tmp_path / "source", **given)
    with pytest.raises(
        SourceError, match=r"takes 'outcome', the column of labels in .*again with --label-column outcome"
    ):
        regraft.fit(labelled, tmp_path / "source", out=tmp_path / "no", cache=tmp_path, columns=LABEL)


@pytest.mark.parametrize(
    ("method", "by_cells"),
    # The second layer is given what the first makes of a row, which has no columns; all together have again.
    [("denoising-autoencoder", [True]), ("stacked-autoencoder", [True, False, True])],
)
def test_noise_is_put_on_whole_cells_of_tables(
    method: str, by_cells: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, draws = tmp_path / "t.csv", np.random.default_rng(0)
    rows = (f"{draws.normal():.3f},{draws.choice(list('abc'))},{draws.normal():.3f}" for _ in range(60))
    table.write_text("\n".join(["size,colour,weight", *rows]))
    seen: list[Disturbed] = []
    made_of = Disturbed.of

    def spied(*given: Any) -> Disturbed:
        seen.append(made_of(*given))
        return seen[-1]

    monkeypatch.setattr(Disturbed, "of", spied)
    made = regraft.pretrain(
        method,
        table,
        out=tmp_path / "source",
        architecture="mlp?units=6,4",
        **SMALL,
    )
    assert made.record.shape == (4,)
    # A colour has a place for each, and one for others.
    assert seen[0].columns.tolist() == [0, 1, 1, 1, 1, 2]
    assert seen[0].categories == (1,)
    assert [one.columns is not None for one in seen] == by_cells


def test_a_row_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    labelled, _ = rows_of(tmp_path)
    lines = labelled.read_text(encoding="utf-8").splitlines()
    split = regraft.open_data(labelled, columns=LABEL).split
    # The first of those that are learnt from and probed with.
    place = 1 + int(np.flatnonzero(split == "train")[0])
    lines[place] = f"inf,{lines[place].split(',', 1)[1]}"
    labelled.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with collecting_warnings() as warned:
        made = regraft.pretrain(
            "masked", labelled, out=tmp_path / "one", architecture="mlp?units=4", columns=LABEL, compare="no", **SMALL
        )
    (said,) = (line for line in warned if f"'line {place + 1}'" in line)
    assert re.match(r"left out 1 of \d+ example\(s\) that cannot be read, first: 'line \d+' has 'inf'", said)
    assert all(row.probe is not None for row in made.record.stages[0].history)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("a" * 60, "all labels in '.*t.csv' are 'a'; bring others with --labels"),
        (
            "abcdefghij" * 2 + " " * 40,
            r"they need 2 labels of each of 10 classes, found 1\d to learn from in '.*t.csv'",
        ),
    ],
)
def test_it_says_why_nothing_is_probed(tmp_path: Path, labels: str, said: str) -> None:
    draws = np.random.default_rng(0).normal(0, 1, (60, 2))
    rows = [f"{one:.4f},{other:.4f},{label.strip()}\n" for (one, other), label in zip(draws, labels, strict=True)]
    (tmp_path / "t.csv").write_text("x,y,label\n" + "".join(rows), encoding="utf-8")
    given = {"architecture": "mlp?units=4", **SMALL}
    with collecting_warnings() as warned:
        regraft.pretrain("autoencoder", tmp_path / "t.csv", out=tmp_path / "source", **given)
    assert len([line for line in warned if re.match(f"no probe and no comparison: {said}", line)]) == 1
    with collecting_warnings() as warned:
        regraft.pretrain("autoencoder", tmp_path / "t.csv", out=tmp_path / "other", probe=0, **given)
    assert not any("probe" in line for line in warned)


_NOTHING = {"a": [1.5] * 30, "b": [None] * 30, "c": ["x"] * 30, "d": [2] * 30}


def _written(folder: Path, ending: str, columns: dict[str, list[Any]]) -> Path:
    path, names = folder / f"t{ending}", list(columns)
    rows = list(zip(*columns.values(), strict=True))
    if ending == ".csv":
        path.write_text(
            "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in [names, *rows])
        )
    elif ending == ".jsonl":
        path.write_text("\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows))
    else:
        parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_table_that_says_nothing_is_refused_by_all_of_its_columns(ending: str, tmp_path: Path) -> None:
    said = r"column 'a' is '1.5' in every .*; column 'b' has no value .*; column 'c' is 'x' .*; and 1 more: 'd'$"
    with pytest.raises(DataError, match=rf"t{ending}': no column says anything: {said}"):
        regraft.pretrain("autoencoder", _written(tmp_path, ending, _NOTHING), out=tmp_path / "no")
    labelled = _written(tmp_path, ending, _NOTHING | {"label": ["k", "l"] * 15})
    source = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with collecting_warnings(), pytest.raises(DataError, match=rf"t{ending}': no column says anything: {said}"):
        regraft.fit(labelled, source, out=tmp_path / "no")


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_column_of_no_use_is_refused_unless_one_is_lenient(ending: str, tmp_path: Path) -> None:
    columns = {"x": [number / 7 for number in range(30)], **_NOTHING}
    del columns["c"], columns["d"]
    given: dict[str, Any] = {"architecture": "mlp?units=4", "epochs": 1, "probe": 0}
    said = "column 'a' is '1.5' in every training example; column 'b' has no value in any training example"
    path = _written(tmp_path, ending, columns)
    otherwise = "name the columns to read with --columns, or leave these out with --lenient"
    for strict, instead in ((False, "; in Python columns= and lenient=True"), (True, " in place of --strict; ")):
        with pytest.raises(DataError, match=rf"of no use in '.*t{ending}': {said}; {otherwise}{instead}"):
            regraft.pretrain("autoencoder", path, out=tmp_path / "no", strict=strict, **given)
    with collecting_warnings() as warned:
        made = regraft.pretrain("autoencoder", path, out=tmp_path / "source", lenient=True, **given)
    assert warned == [f"left out of '{path}': {said}"]
    assert made.record.inputs.table is not None
    assert made.record.inputs.table.names == ("x",)
    assert made.record.asked.lenient
    labelled = _written(tmp_path, ending, columns | {"label": ["k", "l"] * 15})
    source = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    for strict in (False, True):
        with pytest.raises(DataError, match=r"of no use in .*: column 'a' is '1.5' in every training"):
            regraft.fit(labelled, source, out=tmp_path / "no", strict=strict)


def test_a_column_of_names_is_left_out_with_a_warning_and_refused_by_who_is_strict(tmp_path: Path) -> None:
    columns = {"x": [number / 7 for number in range(30)], "id": [f"n{number}" for number in range(30)]}
    path = _written(tmp_path, ".csv", columns)
    examples = open_unlabelled(path)
    said = r".* column 'id' has another value in each of 30 training examples"
    with collecting_warnings() as warned:
        assert table_for(examples).names == ("x",)
    assert re.match(f"left out of{said}", warned[0])
    with pytest.raises(DataError, match=rf"of no use in{said}.*; name the columns .* --columns, or do without strict"):
        table_for(examples, strict=True)


def test_what_cannot_be_pretrained_on(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,\n" * 30, encoding="utf-8")
    with pytest.raises(DataError, match=r"t.csv': no column says anything: column 'a' is '1' in every .*; column 'b' "):
        regraft.pretrain("corrupted", tmp_path / "t.csv", out=tmp_path / "no")
    with pytest.raises(
        DataError, match=r"'barlow-twins' learns from .*, found text in .*; from text learn masked, pairs, corr"
    ):
        regraft.pretrain("barlow-twins", sentences(30, 0), out=tmp_path / "no")
    with pytest.raises(RequestError, match=r"an architecture for text, found 'mlp'.*there is text-cnn, text-rnn"):
        regraft.pretrain("corrupted", sentences(30, 0), architecture="mlp", out=tmp_path / "no")
    with pytest.raises(RequestError, match=r"expected 'length' as 1 or more tokens, found 0"):
        regraft.pretrain("corrupted", sentences(30, 0), length=0, out=tmp_path / "no")
    with pytest.raises(
        RequestError, match=r"a length of 512 words at most, found 99,999,999: the longest text .* has \d"
    ):
        regraft.pretrain("corrupted", sentences(30, 0), length=99_999_999, out=tmp_path / "no")


def read_as(texts: list[str], **asked: Any) -> tuple[int, ...]:
    """The shape in which texts are pretrained on."""
    examples = open_unlabelled(texts)
    return inputs_for(examples, np.arange(len(texts)), Asked(method="corrupted", **asked)).shape


def test_a_text_that_is_too_long_is_refused_unless_one_is_lenient() -> None:
    long = [*sentences(60, 0), "many words " * 300]
    found = r"found 1 of 61 longer, the longest with 600 \('index 60.*'\)"
    with pytest.raises(
        DataError, match=rf"expected texts of 128 words at most in .*, {found}; .* --length 600, or cut"
    ):
        read_as(long)
    with pytest.raises(DataError, match=r"with --lenient in place of --strict, which loses 66% of all words; in Pyth"):
        read_as(long, strict=True)
    with collecting_warnings() as warned:
        assert read_as(long, lenient=True) == (8,)
    (line,) = (line for line in warned if "1 of 61 texts" in line)
    assert re.search(r"up to 600 \('index 60.*'\): their end is left out, 66% of all words; --length says", line)
    # What the message says is a way out, with nothing lost.
    with collecting_warnings() as warned:
        assert read_as(long, length=600) == (600,)
    assert warned == []
    with pytest.raises(
        DataError, match=rf"expected texts of 599 words at most in .*, {found}; .* --length 600, or cut"
    ):
        read_as(long, length=599)


def test_labelled_texts_of_another_file_that_are_cut_are_told_of() -> None:
    labelled = ([f"{text} and more of it {'again ' * 9}" for text in sentences(40, 1)], [0, 1] * 20)
    with collecting_warnings() as warned:
        task_of(method("corrupted"), Asked(method="corrupted"), sentences(40, 0), labelled)
    (line,) = (line for line in warned if "texts of" in line)
    assert re.match(r"\d\d of \d\d texts of the arrays given have more than the 8 words that the network sees", line)


def test_a_few_texts_that_are_longer_than_the_others_are_cut_with_a_warning() -> None:
    texts = [*sentences(60, 0), "many words " * 60]
    with collecting_warnings() as warned:
        assert read_as(texts) == (8,)
    (line,) = (line for line in warned if "1 of 61 texts" in line)
    assert line.endswith("--length says otherwise")
    with pytest.raises(
        DataError, match=r"1 of 61 texts .* more than the 8 words .*; shorten them, or do without strict"
    ):
        read_as(texts, strict=True)


@pytest.mark.parametrize(("word", "told"), [("word ", "more than 99%"), ("", "less than 1%")])
def test_a_part_of_the_words_is_never_told_as_none_or_all_of_them(word: str, told: str) -> None:
    lines = [*sentences(40, 0), word * 200_000] if word else [*sentences(250, 0), "many words are here and more of it"]
    with collecting_warnings() as warned:
        read_as(lines, length=16 if word else 7, lenient=True)
    (line,) = (line for line in warned if "texts of" in line)
    assert f"their end is left out, {told} of all words" in line


def test_every_column_that_is_left_out_is_named(tmp_path: Path) -> None:
    rows = "".join(f"{number % 7},{number % 3},,,5,6\n" for number in range(40))
    (tmp_path / "t.csv").write_text("a,b,no value,none either,five,six of them\n" + rows)
    examples = open_unlabelled(tmp_path / "t.csv")
    named = "column 'five' is '5' in every training example; and 1 more: six of them"
    with pytest.raises(DataError, match=f"{named}; name the columns"):
        table_for(examples)
    with collecting_warnings() as warned:
        table_for(examples, lenient=True)
    assert warned[0].endswith(named)
