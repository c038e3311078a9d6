"""Texts, and rows of a table, have sources that are ranked as those for pictures are."""

import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import SourceError


def test_networks_for_rows_are_ranked(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (160, 4))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    lines = [
        "a,b,c,d,label",
        *(",".join([*map(str, row), "yes" if label else "no"]) for row, label in zip(x, y, strict=True)),
    ]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(24, activation="tanh", name="hidden")(inputs)
    good = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="top")(hidden), name="good")
    good.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    fresh = random.normal(0, 1, (1500, 4))
    good.fit(fresh, fresh[:, 0] * fresh[:, 1] > 0, epochs=12, batch_size=64, verbose=0)
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="linear")], name="flat")
    found = regraft.rank(tmp_path / "rows.csv", [flat, good], cache=tmp_path / "cache")
    assert [item.source for item in found.ranking] == ["model 'good'", "model 'flat'"]
    assert found.ranking[0].scores["probe"] > 0.8 > found.ranking[1].scores["probe"]
    assert found.ranking[0].input_size is None
    assert found.ranking[1].told_apart
    # No linear function of the inputs knows the sign of a product.
    assert found.baselines["raw_inputs"].accuracy.value < 0.7


def test_a_column_of_one_value_is_refused_unless_one_is_lenient(tmp_path):
    draws = np.random.default_rng(0).normal(size=(80, 2))
    rows = [f"{a:.3f},{b:.3f},7,{'yes' if a > b else 'no'}" for a, b in draws]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,same,label", *rows]))
    flat = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="linear")], name="flat")
    with pytest.raises(SourceError, match=r"only source cannot .*: of no use in '.*rows.csv': column 'same' is '7'"):
        regraft.rank(tmp_path / "rows.csv", [flat], cache=tmp_path / "cache")
    found = regraft.rank(tmp_path / "rows.csv", [flat], cache=tmp_path / "cache", lenient=True)
    assert [item.source for item in found.ranking] == ["model 'flat'"]


def test_networks_for_texts_are_ranked(tmp_path):
    random = np.random.default_rng(1)
    words = {"warm": ["sun", "beach", "heat", "july"], "cold": ["snow", "frost", "ice", "sledge"]}
    rows = ["text,label"]
    for number in range(60):
        label = ("warm", "cold")[number % 2]
        rows.append(f"{' '.join(random.choice(words[label], 4))} number {number},{label}")
    (tmp_path / "texts.csv").write_text("\n".join(rows))
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    vectors = keras.layers.Embedding(90, 12, name="embedding")(inputs)
    hidden = keras.layers.Conv1D(8, 3, activation="relu", name="conv")(vectors)
    model = keras.Model(inputs, keras.layers.GlobalMaxPooling1D(name="pool")(hidden), name="texts")
    found = regraft.rank(tmp_path / "texts.csv", [model], cache=tmp_path / "cache")
    assert found.ranking[0].inputs.text is not None
    assert found.ranking[0].scores["probe"] > 0.8
    # Words say all of it.
    assert found.baselines["raw_inputs"].accuracy.value == pytest.approx(1.0)
    assert "a vocabulary of" in found.ranking[0].warnings[0]


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A folder with `rows.csv` and `texts.csv`; and sources, with what each takes."""
    folder = tmp_path_factory.mktemp("kinds")
    draws = np.random.default_rng(2)
    table = ["a,b,label", *(f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in draws.normal(size=(60, 2)))]
    (folder / "rows.csv").write_text("\n".join(table))
    texts = ["text,label", *(f"{word} {number},{word}" for number in range(30) for word in ("good", "bad"))]
    (folder / "texts.csv").write_text("\n".join(texts))
    quick = {"epochs": 1, "probe": 0, "settings": {"batch_size": 16}}
    of_rows = regraft.pretrain("autoencoder", folder / "rows.csv", out=folder / "of-rows", **quick).folder
    of_texts = regraft.pretrain("masked", folder / "texts.csv", out=folder / "of-texts", **quick).folder
    pictures = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4, activation="relu", name="dense")]
    )
    pictures.save(folder / "pictures.keras")
    return folder, {of_rows: "rows of a table", of_texts: "texts", folder / "pictures.keras": "pictures"}


@pytest.mark.parametrize("kind", ["texts", "rows of a table"])
def test_sources_for_other_kinds_say_what_they_take(kind, taken, tmp_path):
    folder, sources = taken
    data = folder / ("texts.csv" if kind == "texts" else "rows.csv")
    found = regraft.rank(data, list(sources), cache=tmp_path / "cache")
    assert {each.source: each.reason for each in found.refused} == {
        str(source): f"it takes {takes}, and these examples are {kind}"
        for source, takes in sources.items()
        if takes != kind
    }
