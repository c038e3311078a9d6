"""Texts and rows of tables through `fit`, `evaluate` and `predict`, with networks of the user's own."""

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import regraft
from regraft.core import plan as plans
from regraft.core.columns import Columns
from regraft.core.errors import DataError, RequestError, SourceError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import collecting_warnings
from regraft.core.text_spec import TextSpec
from regraft.recipes.baselines import raw_inputs
from regraft.recipes.baselines.asking import Task
from regraft.recipes.encoding import encoded
from regraft.recipes.running import open_for
from regraft.recipes.survey import Survey

GOOD, BAD = ("fine", "lovely", "great"), ("poor", "dull", "awful")
QUIET = {"fine_tune": "no", "baselines": "no"}


def sentences(count: int = 60) -> list[tuple[str, str]]:
    draws = np.random.default_rng(1)
    made: list[tuple[str, str]] = []
    for index in range(count):
        words = (
            draws.choice(GOOD if index % 2 else BAD, 2).tolist() + draws.choice(["film", "plot", "cast"], 2).tolist()
        )
        made.append((" ".join(draws.permutation(words).tolist()) + f" {index}", "yes" if index % 2 else "no"))
    return made


def text_file(path: Path) -> Path:
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in sentences()), encoding="utf-8")
    return path


def own_network(ids: int = 40, length: int = 6) -> keras.Model:
    """A network over ids as somebody has one: an embedding of integers, averaged."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((length,), dtype="int32", name="ids")
    x = keras.layers.Embedding(ids, 16, name="embedding")(inputs)
    x = keras.layers.Conv1D(16, 1, activation="relu", name="each")(x)
    x = keras.layers.GlobalAveragePooling1D(name="average")(x)
    return keras.Model(inputs, keras.layers.Dense(12, activation="tanh", name="top")(x), name="own")


def row_network(width: int) -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((width,))
    return keras.Model(inputs, keras.layers.Dense(24, activation="relu", name="hidden")(inputs), name="rows")


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> regraft.Run:
    folder = tmp_path_factory.mktemp("texts")
    with collecting_warnings() as warned:
        run = regraft.fit(text_file(folder / "t.csv"), own_network(), out=folder / "run", cache=folder, **QUIET)
    assert any("does not say which id is which token: a vocabulary of 12 words was learnt" in line for line in warned)
    return run


def test_texts_are_learnt_and_everything_travels(text_run: regraft.Run, tmp_path: Path) -> None:
    record = text_run.record
    # Words alone tell the classes: a linear head on an average of random vectors finds them.
    assert record.metrics["test"].accuracy.value == 1.0
    spec = record.plan.input.text
    assert set(spec.tokens[3:]) == {*GOOD, *BAD, "film", "plot", "cast"}
    assert record.plan.columns == Columns(label="label", text="text")
    with zipfile.ZipFile(text_run.folder / "model.keras") as file:
        assert json.loads(file.read("regraft.json"))["input"]["text"]["tokens"] == list(spec.tokens)
    again = regraft.load(text_run.folder)
    assert again.record == record
    new = tmp_path / "new.tsv"
    new.write_text("text\nA LOVELY film, great cast!\ndull dull plot\n", encoding="utf-8")
    answers = regraft.predict(again, [new])
    assert [answer.label for answer in answers] == ["yes", "no"]
    assert answers[0].name == "line 2: A LOVELY film, great cast!"
    ids = spec.ids(["A LOVELY film, great cast!", "dull dull plot"], 6)
    assert ids[0, 0] == 1  # "a" was never seen
    made = np.asarray(again.model.predict_on_batch(ids.astype(np.float32)))
    assert [answer.probabilities["yes"] for answer in answers] == pytest.approx(made[:, 1].tolist(), abs=1e-6)


def test_texts_from_every_kind_of_file_are_answered(text_run: regraft.Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("great film, fine plot", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "poor dull plot cast"}\n{"text": " "}\n', encoding="utf-8")
    (tmp_path / "c.csv").write_text("comment\nawful dull cast film\n", encoding="utf-8")
    with collecting_warnings() as warned:
        answers = regraft.predict(text_run, [tmp_path / "b.jsonl", tmp_path / "a.txt"])
    assert [answer.label for answer in answers] == ["no", "yes"]
    assert "left out 1 of 3" in warned[0]
    with pytest.raises(DataError, match=r"expected a column 'text' in '.*c.csv', found comment"):
        regraft.predict(text_run, [tmp_path / "c.csv"])
    (answer,) = regraft.predict(text_run, [tmp_path / "c.csv"], columns={"text": "comment"})
    assert answer.label == "no"
    with pytest.raises(RequestError, match=r"unknown key 'columns.txt'; nearest known names: text"):
        regraft.predict(text_run, [tmp_path / "c.csv"], columns={"txt": "comment"})


def test_texts_that_are_not_seen_whole_are_counted_wherever_they_are_answered(
    text_run: regraft.Run, tmp_path: Path
) -> None:
    lines = ("fine film", "dull plot " * 5, "great cast " * 4, " ")
    (tmp_path / "n.csv").write_text("text,label\n" + "".join(f"{line},yes\n" for line in lines), encoding="utf-8")
    seen = r"2 of 3 texts of .* have more than the 6 words that the network sees, up to 10 \('.*line 3.*'\)"
    said = rf"{seen}: their end is left out, 30% of all words"
    for ask in (
        lambda: regraft.predict(text_run, [tmp_path / "n.csv"]),
        lambda: regraft.evaluate(text_run, tmp_path / "n.csv"),
    ):
        with collecting_warnings() as warned:
            ask()
        (line,) = (line for line in warned if "2 of 3 texts" in line)
        assert re.fullmatch(said, line)
    (tmp_path / "short.csv").write_text("text\nfine film\n", encoding="utf-8")
    with collecting_warnings() as warned:
        regraft.predict(text_run, [tmp_path / "short.csv"])
    assert warned == []


def test_texts_are_measured(text_run: regraft.Run, tmp_path: Path) -> None:
    measured = regraft.evaluate(text_run, text_file(tmp_path / "t.csv"))
    assert measured.examples == 60
    assert measured.accuracy.value == 1.0
    texts, labels = zip(*sentences(), strict=True)
    assert regraft.evaluate(text_run, (list(texts), list(labels))).log_loss == measured.log_loss
    table = tmp_path / "rows.csv"
    table.write_text("a,b,label\n1,2,yes\n2,1,no\n", encoding="utf-8")
    with pytest.raises(DataError, match="the run's model takes texts, found rows with the columns a, b"):
        regraft.evaluate(text_run, table, columns={"features": ["a", "b"]})


def test_the_page_shows_what_mistakes_say(tmp_path: Path) -> None:
    rows = sentences(40)
    # One label is wrong, and the example is for the test.
    rows.append(("lovely <b>great</b> fine film", "no"))
    lines = "".join(
        f"{text}\t{label}\t{'test' if index > 35 else 'train'}\n" for index, (text, label) in enumerate(rows)
    )
    (tmp_path / "t.tsv").write_text("text\tlabel\tsplit\n" + lines, encoding="utf-8")
    with collecting_warnings():
        run = regraft.fit(tmp_path / "t.tsv", own_network(), out=tmp_path / "run", cache=tmp_path, **QUIET)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert (
        '<blockquote class="words" tabindex="0" dir="auto">lovely &lt;b&gt;great&lt;/b&gt; fine film</blockquote>'
        in page
    )
    card = (run.folder / "README.md").read_text(encoding="utf-8")
    assert "type: text-classification" in card
    assert "Only the beginning of the vocabulary is here" not in card  # nine words are few


def test_rows_of_numbers_and_categories(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    lines = []
    for index in range(80):
        size = "" if index % 10 == 3 else f"{draws.normal(3.0 if index % 2 else 1.0, 0.3):.3f}"
        lines.append(f"{size},{'red' if index % 2 else 'blue'},7,{'b' if index % 2 else 'a'}\n")
    (tmp_path / "t.csv").write_text("size,colour,always,kind\n" + "".join(lines), encoding="utf-8")
    columns = {"label": "kind"}
    with pytest.raises(DataError, match=r"of no use in '.*t.csv': column 'always' is '7' in every .*--lenient;"):
        regraft.fit(tmp_path / "t.csv", row_network(5), columns=columns, out=tmp_path / "no", cache=tmp_path)
    given = {"columns": columns, "lenient": True, "cache": tmp_path}
    with collecting_warnings() as warned:
        run = regraft.fit(tmp_path / "t.csv", row_network(5), out=tmp_path / "run", **given, **QUIET)
    assert any("column 'always' is '7' in every training example" in line for line in warned)
    spec = run.record.plan.input.table
    assert [(column.name, column.width) for column in spec.columns] == [("size", 2), ("colour", 3)]
    assert run.record.metrics["test"].accuracy.value == 1.0
    new = tmp_path / "new.csv"
    new.write_text("other,always,colour,size\nx,7,red,3.1\nx,7,green,\nx,7,blue,many\n", encoding="utf-8")
    with collecting_warnings() as warned:
        answers = regraft.predict(regraft.load(run.folder), [new])
    assert [answer.name for answer in answers] == ["line 2", "line 3"]
    assert answers[0].label == "b"
    assert "'line 4' has 'many' in the column 'size', expected a number" in warned[-1]
    new.write_text("size,colour,always\n" + "1,Blue,7\n" * 3 + "1,blue,7\n" * 2, encoding="utf-8")
    with collecting_warnings() as warned:
        regraft.predict(regraft.load(run.folder), [new])
    (line,) = [line for line in warned if "does not know" in line]
    assert "does not know 3 of the first 5 values in the column 'colour'" in line
    assert "such as 'Blue', and takes them as missing; it knows 'blue'" in line
    with pytest.raises(
        SourceError, match=r"become 5 values \(1 of numbers, 1 of them with gaps, 1 of categories\), and"
    ):
        regraft.fit(tmp_path / "t.csv", row_network(4), out=tmp_path / "no", **given)


def test_a_source_that_says_its_words_is_taken_at_its_word(tmp_path: Path) -> None:
    path = text_file(tmp_path / "t.csv")
    (tmp_path / "words.txt").write_text("\n".join(["", "[UNK]", *GOOD, *BAD]), encoding="utf-8")
    with collecting_warnings() as warned:
        run = regraft.fit(
            path, own_network(8), vocabulary=tmp_path / "words.txt", out=tmp_path / "run", cache=tmp_path, **QUIET
        )
    assert not any("does not say" in line for line in warned)
    spec = run.record.plan.input.text
    assert spec.tokens == ("", "[UNK]", *GOOD, *BAD)
    stated = regraft.Pretrained(
        own_network(8), InputSpec((6,), text=spec), regraft.open(own_network(8)).report, "stated", None
    )
    again = regraft.fit(path, stated, out=tmp_path / "again", cache=tmp_path, **QUIET)
    assert again.record.metrics == run.record.metrics
    small = TextSpec(tokens=("[PAD]", "[UNK]", "[MASK]", *(f"w{place}" for place in range(9))))
    refused = regraft.Pretrained(own_network(8), InputSpec((6,), text=small), stated.report, "stated", None)
    with pytest.raises(
        SourceError, match="the vocabulary has 12 ids, and the Embedding of 'stated' knows 8; give the one"
    ):
        regraft.fit(path, refused, out=tmp_path / "no", cache=tmp_path)
    with pytest.raises(RequestError, match="'stated' takes words, and characters were asked for; leave that out"):
        regraft.fit(path, stated, tokens="characters", out=tmp_path / "no", cache=tmp_path)
    table = tmp_path / "rows.csv"
    table.write_text("a,b,label\n" + "1,2,yes\n2,1,no\n" * 5, encoding="utf-8")
    with pytest.raises(SourceError, match="expected texts, which 'stated' takes, found rows with the columns a, b"):
        regraft.fit(table, stated, out=tmp_path / "no", cache=tmp_path)
    for data, kind in ((path, "texts"), (table, "rows of a table")):
        for shape, found in (
            ((8, 8, 3), rf"expected a network for {kind}, found .*, which takes pictures \(8, 8, 3\); choose"),
            ((8, 5), rf"one vector of a fixed length, for {kind}, found the input \(8, 5\) in "),
        ):
            other = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])
            with pytest.raises(SourceError, match=found):
                regraft.fit(data, other, out=tmp_path / "no", cache=tmp_path)
    with pytest.raises(RequestError, match="tokens are for texts, and these examples are none"):
        regraft.fit((np.zeros((4, 6)), [0, 1, 0, 1]), own_network(), tokens="words", out=tmp_path / "no")


def test_long_texts_are_told_of(tmp_path: Path) -> None:
    with collecting_warnings() as warned:
        regraft.fit(text_file(tmp_path / "t.csv"), own_network(40, 4), out=tmp_path / "run", cache=tmp_path, **QUIET)
    (line,) = (line for line in warned if "60 of 60 texts" in line)
    assert re.fullmatch(
        r"60 of 60 texts of '.*t.csv' have more than the 4 words that the network sees, up to 5 \('line 2.*'\): "
        r"their end is left out, 20% of all words",
        line,
    )


def test_the_baseline_of_texts_counts_their_tokens(tmp_path: Path) -> None:
    examples = regraft.open_data((["a b b z", "b c b c", "a a a q"] * 4, [0, 1, 0] * 4))
    spec = TextSpec(tokens=("[PAD]", "[UNK]", "[MASK]", "a", "b", "c", "never"))
    source = regraft.open(own_network(7))
    stated = regraft.Pretrained(source.model, InputSpec((6,), text=spec), source.report, "stated", None)
    found = object.__new__(Survey)
    object.__setattr__(found, "examples", examples)
    task = Task.of(stated, found, regraft.Plan(source="stated"))
    tokens = raw_inputs.counted_tokens(task)
    assert set(tokens.tolist()) <= {3, 4, 5}
    counts = np.expm1(raw_inputs.counts(task, np.arange(3)))
    expected = {3: [1, 0, 3], 4: [2, 2, 0], 5: [0, 2, 0]}
    np.testing.assert_allclose(counts.T, [expected[token] for token in tokens.tolist()], atol=1e-6)


def test_columns_that_were_left_out_need_not_be_there(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    source = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, activation="relu", name="low")])
    rows = [
        f"r{number},{random.normal(number % 2):.3f},Germany,{'uv'[number % 2]},{('no', 'yes')[number % 2]}"
        for number in range(60)
    ]
    table = tmp_path / "rows.csv"
    table.write_text("\n".join(["id,age,country,colour,label", *rows]), encoding="utf-8")
    with collecting_warnings() as warned:
        run = regraft.fit(table, source, out=tmp_path / "run", lenient=True, cut_point="low", **QUIET)
    assert "column 'country' is 'Germany' in every training example" in " ".join(warned)
    # The plan says the columns that its network reads: done again, it asks of none whether it is of use.
    again = plans.read(run.folder / "plan.toml")
    assert again.lenient
    again = replace(again, lenient=False)
    known = encoded(open_for(again, source), regraft.open_data(table, columns=again.columns), again)
    assert known.inputs.table == run.record.plan.input.table
    asked = [line.split(",") for line in rows[:4]]
    new = tmp_path / "new.csv"
    new.write_text("\n".join(["colour,age", *(f"{colour},{age}" for _, age, _, colour, _ in asked)]), encoding="utf-8")
    whole = tmp_path / "whole.csv"
    whole.write_text("\n".join(["id,age,country,colour,label", *rows[:4]]), encoding="utf-8")
    told = [[answer.probabilities for answer in regraft.predict(run, [path])] for path in (new, whole)]
    assert told[0] == told[1]
    labelled = tmp_path / "labelled.csv"
    lines = ["colour,age,label", *(f"{colour},{age},{label}" for _, age, _, colour, label in asked)]
    labelled.write_text("\n".join(lines), encoding="utf-8")
    assert regraft.evaluate(run, labelled) == regraft.evaluate(run, whole)
    new.write_text("age,colour\n1e308,u\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"'line 2' has '1e308' in the column 'age', expected a number"):
        regraft.predict(run, [new])
    new.write_text("colour\nu\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"expected a column 'age' in '.*new.csv', found colour"):
        regraft.predict(run, [new])
