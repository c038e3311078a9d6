"""Pairs of examples in an order, as a journey: divided, learnt from, resumed, and refused where they make no sense."""

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import regraft
from regraft.cli import main
from regraft.core import plain
from regraft.core.errors import DataError, RequestError
from regraft.core.pretraining import Asked, PretrainingRecord
from regraft.core.progress import collecting_warnings
from regraft.data.pairs import Pairs
from regraft.recipes.pretraining import asking
from regraft.recipes.pretraining import folder as folders
from regraft.recipes.pretraining.ordering import FEWEST, among, held_out
from tests.recipes.pretraining.interrupting import interrupted

COUNT = 120
GIVEN: dict[str, Any] = {"architecture": "mlp?units=8", "epochs": 4, "settings": {"batch_size": 16, "rate": 0.01}}
WORDS = ["--architecture", "mlp?units=8", "--epochs", "4", "--set", "batch_size=16", "--set", "rate=0.01"]


def _pairs(rows: Any) -> Pairs:
    return Pairs(np.array(rows), np.array(rows), "'p.csv'")


def _divided(pairs: Pairs, share: float = 0.1, seed: int = 0) -> tuple[Pairs, Pairs, list[str]]:
    with collecting_warnings() as warned:
        learnt, judged = held_out(pairs, share, seed)
    both = np.concatenate([learnt.rows, judged.rows])
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, pairs.rows.tolist()))
    assert min(len(learnt.rows), len(judged.rows)) >= 2
    return learnt, judged, warned


def test_pairs_that_do_not_hang_together_share_no_example() -> None:
    # Parts of three: two pairs each.
    pairs = _pairs([(start + one, start + one + 1) for start in range(0, 150, 3) for one in (0, 1)])
    learnt, judged, warned = _divided(pairs)
    assert (len(judged.rows), warned) == (10, [])
    assert not set(learnt.rows.ravel()) & set(judged.rows.ravel())
    np.testing.assert_array_equal(judged.rows, _divided(pairs)[1].rows)
    assert judged.rows.tolist() != _divided(pairs, seed=1)[1].rows.tolist()


def test_of_pairs_that_hang_together_each_held_out_one_has_a_new_example() -> None:
    random = np.random.default_rng(0)
    one = random.integers(0, 100, 1000)
    learnt, judged, warned = _divided(_pairs(np.stack([one, (one + random.integers(1, 100, 1000)) % 100], axis=1)))
    assert 80 <= len(judged.rows) <= 100
    known = np.isin(judged.rows, learnt.rows)
    assert known.sum(axis=1).max() == 1
    assert warned[0].startswith(f"{int(known.sum())} of {len(judged.rows)} pairs held out of 'p.csv' have an example")
    assert "of them both" not in warned[0]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize(
    "rows",
    [
        [(0, number) for number in range(1, 30)],
        [(number, hub) for number in range(2, 20) for hub in (0, 1)],
        [(0, 1), (1, 2), (2, 3), (3, 0)],
        [(0, 1)] * 7,
        [(0, 1), (2, 3), (4, 5), (6, 7)],
        [(number, number + 1) for number in range(40)],
    ],
    ids=["star", "two hubs", "ring", "one pair", "four apart", "chain"],
)
def test_either_side_has_pairs_however_they_hang_together(rows: list[tuple[int, int]], share: float) -> None:
    learnt, judged, warned = _divided(_pairs(rows), share)
    shared = np.isin(judged.rows, learnt.rows).any(axis=1).sum()
    assert bool(warned) == bool(shared)
    assert len(judged.rows) <= max(2, round(share * len(rows)))


def test_a_copy_counts_as_the_example_that_it_is_of() -> None:
    rows = np.array([(start + one, start + 1) for start in range(0, 120, 3) for one in (0, 2)])
    # What is three times a number is one example with what is two more than that.
    learnt, judged, _ = _divided(Pairs(rows, np.where(rows % 3 == 2, rows - 2, rows), "p"))
    assert not set(learnt.content.ravel()) & set(judged.content.ravel())


def test_memory_goes_with_the_pairs_and_not_with_their_square() -> None:
    count = 200_000
    random = np.random.default_rng(0)
    pairs = _pairs(np.stack([random.integers(0, count, count), count + random.integers(0, count, count)], axis=1))
    tracemalloc.start()
    sizes = [len(side.rows) for side in held_out(pairs, 0.1, 0)]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sizes == [count - 5000, 5000]
    assert most < 300 * count


def test_too_few_pairs_are_refused_with_where_the_others_are() -> None:
    pairs = _pairs([(0, 1), (2, 3), (4, 5), (6, 7)])
    assert among(pairs, np.arange(8), "that is left for tests").rows.tolist() == pairs.rows.tolist()
    said = rf"at least {FEWEST} pairs in 'p.csv' to learn .*, found 3 of 4, the others with an example that is left for"
    with pytest.raises(DataError, match=said):
        among(pairs, np.arange(7), "that is left for tests")


def _data(folder: Path) -> tuple[Path, Path, np.ndarray]:
    """A table of rows with a class each, and pairs by what two of the numbers come to."""
    random = np.random.default_rng(0)
    x = random.normal(size=(COUNT, 4)).round(4)
    score = 2 * x[:, 0] - x[:, 3]
    rows = [",".join([*map(str, row), f"k{int(row[1] > 0)}"]) for row in x.tolist()]
    (folder / "t.csv").write_text("\n".join(["a,b,c,d,kind", *rows]))
    pairs = random.permutation(COUNT - 20).reshape(-1, 2)
    pairs = np.concatenate([pairs, np.stack([pairs[:-1, 0], pairs[1:, 1]], axis=1)])
    pairs = np.where((score[pairs[:, 0]] > score[pairs[:, 1]])[:, np.newaxis], pairs, pairs[:, ::-1])
    (folder / "p.csv").write_text("above,below\n" + "".join(f"{one + 2},line {other + 2}\n" for one, other in pairs))
    return folder / "t.csv", folder / "p.csv", pairs


def test_pairs_of_a_table_are_learnt_from_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, pairs, _ = _data(tmp_path)
    out = tmp_path / "out"
    words = ["pretrain", "ranking", str(table), "--pairs", str(pairs), "--label-column", "kind", "--out", str(out)]
    assert main([*words, *WORDS, "--compare", "no"]) == 0
    shown, told = (" ".join(text.split()) for text in capsys.readouterr())
    assert re.search(
        r"\d+ examples in \d+ pairs, \d+ more pairs held out, \d+ left for tests, \d+ without a pair", shown
    )
    assert re.search(r"left out \d+ of 99 pairs of '.*p.csv', with an example that is left for tests", told)
    assert re.search(
        r"left out \d+ of \d+ examples of '.*t.csv', which are in no pair of '.*p.csv'; 'ranking' lea", told
    )
    record = plain.from_plain(PretrainingRecord, json.loads((out / folders.RECORD).read_text()))
    assert (record.asked.settings["by"], record.asked.pairs) == ("pairs", str(pairs))
    assert record.pairs + record.pairs_held_out < 99
    assert record.labels == record.groups == 0
    assert record.examples + record.held_out + record.unused + record.unknown == COUNT
    (stage,) = record.stages
    right = stage.history[-1].measures["ordered"] * record.pairs_held_out
    assert right == pytest.approx(round(right))
    assert stage.kept.held_out < stage.history[0].held_out
    assert (
        f"examples in {record.pairs} pairs ({record.pairs_held_out} more pairs held out)"
        in (out / "README.md").read_text()
    )
    assert regraft.open(out).inputs.name == "table"


def test_resumed_equals_trained_through_and_other_pairs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, path, pairs = _data(tmp_path)
    given = {**GIVEN, "probe": 0, "columns": {"label": "kind"}}
    whole = regraft.pretrain("ranking", table, out=tmp_path / "whole", pairs=path, **given)
    interrupted(monkeypatch, "ranking", table, out=tmp_path / "out", pairs=path, **given)
    assert folders.asked(tmp_path / "out").pairs == str(path)
    text = path.read_text()
    path.write_text(text.replace(f"{pairs[0, 0] + 2},line", "2,line", 1))
    with pytest.raises(RequestError, match=r"the pairs in '.*p.csv' are not those that the pretraining was begun with"):
        asking.resume(tmp_path / "out")
    path.write_text(text)
    resumed = asking.resume(tmp_path / "out")
    assert resumed.record.pairs == whole.record.pairs
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pairs_in_memory_are_given_again_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(40, 4))
    pairs = np.arange(40).reshape(-1, 2)
    interrupted(monkeypatch, "ranking", x, out=tmp_path / "out", pairs=pairs, **GIVEN)
    with pytest.raises(
        RequestError, match=r"learns from pairs of examples, found none; .* with --pairs, or pairs= in P"
    ):
        asking.resume(tmp_path / "out", data=x)
    assert asking.resume(tmp_path / "out", data=x, pairs=pairs).record.pairs == 18


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("ranking", {"settings": {"by": "pairs"}}, r"'ranking' with these settings learns from pairs .*, found none; "),
        (
            "ranking",
            {"settings": {"by": "labels"}, "pairs": [(0, 1)]},
            r"--pairs makes no .*: it is for by=pairs of the",
        ),
        (
            "masked",
            {"pairs": [(0, 1)]},
            r"--pairs makes no difference to 'masked' on the numbers in .*: it is for by=pa",
        ),
        ("ranking", {"settings": {"strength": 0.3}, "pairs": [(0, 1)]}, r"--set strength .*: it is for by=corrupted"),
    ],
)
def test_pairs_and_settings_that_do_not_go_together_are_refused(
    method: str, given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    x = {"x": np.random.default_rng(0).normal(size=(40, 4)), "y": np.arange(40) % 2}
    with pytest.raises(RequestError, match=message):
        regraft.pretrain(method, x, out=tmp_path / "out", **given)


def test_what_was_written_before_there_were_pairs_is_read() -> None:
    old = plain.to_plain(Asked(method="ranking"))
    del old["pairs"], old["pairs_digest"]
    assert plain.from_plain(Asked, old) == Asked(method="ranking")
