"""The page and the README of a pretraining: which figures are compared, and which labels were learnt from."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from regraft.core.input_spec import InputSpec
from regraft.core.pretraining import ALL_LAYERS, Asked, PretrainingEpoch, PretrainingRecord, Spec, Stage
from regraft.report import pretraining_page
from regraft.report.plots import pretraining as plots


def _stage(name: str, probes: Sequence[float | None], best: int) -> Stage:
    rows = [PretrainingEpoch(epoch, 1.0, 1.0, probe=probe) for epoch, probe in enumerate(probes)]
    return Stage(name, tuple(rows), best)


def _record(*stages: Stage) -> PretrainingRecord:
    return PretrainingRecord(
        folder="source", model="source/model.keras", report="source/report.html",
        asked=Asked(method="dbn", architecture="mlp", spec=Spec()), inputs=InputSpec((64,)), kind="numbers",
        examples=301, held_out=33, unused=66, classes=("0", "1"), shape=(16,), parameters=10, stages=stages,
        helped=None, seconds={"total": 1.0, "pretrain": 1.0}, warnings=(), environment={},
    )  # fmt: skip


LAYERS = (_stage("hidden1", (0.8333, 0.85, 0.84), 1), _stage("hidden2", (0.70, 0.717, 0.69), 1))


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        (LAYERS, "; on what 'hidden2' gives, a linear head on a few labels went from 70.0 % before that layer learnt"
         " to 71.7 %."),
        ((*LAYERS, _stage(ALL_LAYERS, (0.717, 0.75, 0.60), 1)), "'hidden2' gives, a linear head on a few labels went "
         "from 70.0 % before that layer learnt to 75.0 %."),
        (LAYERS[:1], "on what 'hidden1' gives, a linear head on a few labels went from 83.3 % before"),
        ((_stage(ALL_LAYERS, (0.5, 0.9, 0.6), 1),), "; a linear head on a few labels went from 50.0 % to 90.0 %."),
        ((_stage(ALL_LAYERS, (None, None), 1),), "examples by 'dbn'. Whether it helps"),
    ],
)  # fmt: skip
def test_one_representation_is_compared_before_and_in_the_network_kept(stages: tuple[Stage, ...], told: str) -> None:
    record = _record(*stages)
    assert told in pretraining_page.headline(record).replace("\N{NO-BREAK SPACE}", " ")
    assert pretraining_page.headline(record) in pretraining_page.card(record)


def test_the_curve_tells_of_the_network_that_is_kept_and_joins_no_two_stages() -> None:
    figure = plots.probed(_record(*LAYERS))
    assert figure is not None
    caption = figure.caption.replace("\N{NO-BREAK SPACE}", " ")
    assert caption == (
        "A linear head did best, 85.0 %, after epoch 1 of “hidden1”. Of the network that is kept, from epoch 1 of "
        "“hidden2”, it made 71.7 %."
    )
    assert str(figure.drawing).count("<polyline") == 2
    alone = plots.probed(_record(LAYERS[1]))
    assert alone is not None
    assert alone.caption.endswith("after epoch 1 of “hidden2”, which is kept.")


def test_a_loss_that_was_never_as_low_as_before_learning_is_told_of() -> None:
    rows = [PretrainingEpoch(epoch, 1.0, held_out) for epoch, held_out in enumerate((0.4, 0.6, 0.5))]
    figure = plots.losses(_record(LAYERS[0], Stage("hidden2", tuple(rows), 2)))
    assert figure is not None
    assert figure.caption.endswith(" On held-out examples that of “hidden2” was never as low as before learning.")


def test_labels_that_were_learnt_from_are_told_of() -> None:
    record = _record(*LAYERS)
    assert "- learnt from: 301 examples without labels (33 more held out)" in pretraining_page.card(record)
    assert "examples without labels, 33 more held out" in pretraining_page.page(record)
    record = replace(record, labels=301)
    assert "- learnt from: 301 examples with their labels (33 more held out)" in pretraining_page.card(record)
    assert "examples with their labels, 33 more held out" in pretraining_page.page(record)
