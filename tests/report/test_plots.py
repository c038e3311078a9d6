"""What the figures draw is computed from the record: positions, lengths and order follow the values."""

import dataclasses
import itertools
import re
from collections.abc import Mapping

import pytest
from markupsafe import Markup

from regraft.core.found_rate import FoundRate
from regraft.core.records import Drift, RunRecord
from regraft.report.plots import PLOTS, Figure
from regraft.report.plots.axes import LEFT, RIGHT
from regraft.report.reading import stages


def draw(name: str, record: RunRecord) -> Figure:
    figure = PLOTS[name](record)
    assert figure is not None
    return figure


def attributes(drawing: Markup, tag: str, class_: str) -> list[dict[str, str]]:
    """The attributes of the elements of a kind and class, in the order of the drawing."""
    found = re.findall(rf"<{tag}((?: [\w-]+=\"[^\"]*\")*)>", drawing)
    parsed = [dict(re.findall(r"([\w-]+)=\"([^\"]*)\"", each)) for each in found]
    return [each for each in parsed if each.get("class") == class_]


def percentage(value: str) -> float:
    assert value.endswith("%")
    return float(value[:-1])


def test_a_record_without_contents_has_figures_only_of_what_is_there(records: Mapping[str, RunRecord]) -> None:
    there = {name for name, make in PLOTS.items() if make(records["bare"]) is not None}
    assert there == {"comparison", "strip", "confusion"}


@pytest.mark.parametrize("name", sorted(PLOTS))
def test_captions_are_one_sentence(name: str, record: RunRecord) -> None:
    figure = PLOTS[name](record)
    if figure is not None:
        assert figure.caption.endswith(".")
        assert "nan" not in figure.caption
        assert "nan" not in re.sub(r">[^<]*<", "><", figure.drawing)


def test_comparison_puts_dots_where_the_accuracies_are(good_record: RunRecord) -> None:
    drawing = draw("comparison", good_record).drawing
    (own,) = attributes(drawing, "circle", "mark own")
    assert percentage(own["cx"]) == pytest.approx(0.5 + 99 * 0.9004, abs=0.01)
    others = [percentage(each["cx"]) for each in attributes(drawing, "circle", "mark other")]
    assert others == pytest.approx([0.5 + 99 * value for value in (0.7954, 0.5374, 0.2438)], abs=0.01)
    (interval,) = attributes(drawing, "rect", "interval own")
    low, high = good_record.metrics["test"].accuracy.interval
    assert percentage(interval["width"]) == pytest.approx(99 * (high - low), abs=0.02)


def test_comparison_says_by_how_much_and_over_which(good_record: RunRecord) -> None:
    assert "10.5 points above its best baseline (nearest neighbour)" in draw("comparison", good_record).caption


@pytest.mark.parametrize(
    ("trained_from", "expected"),
    [
        # 32 layers below and 37 above share what the head and the dropped part leave: 74 per cent.
        ("conv_pw_5_bn", (74 * 32 / 69, 74 * 37 / 69, 13, 13)),
        # 12 of 69 layers would be too narrow to see.
        ("conv_pw_9_relu", (61, 13, 13, 13)),
    ],
)
def test_strip_shares_its_width_between_frozen_and_trained_layers(
    good_record: RunRecord, trained_from: str, expected: tuple[float, ...]
) -> None:
    drawing = draw("strip", dataclasses.replace(good_record, trained_from=trained_from)).drawing
    found = [attributes(drawing, "rect", f"part {kind}")[0] for kind in ("frozen", "trained", "head", "dropped")]
    assert [percentage(each["width"]) + 0.5 for each in found] == pytest.approx(expected, abs=0.02)
    starts = [percentage(each["x"]) for each in found]
    assert starts == pytest.approx([sum(expected[:index]) for index in range(4)], abs=0.02)


def test_strip_of_a_head_alone_has_no_trained_part(records: Mapping[str, RunRecord]) -> None:
    figure = draw("strip", records["bare"])
    assert not attributes(figure.drawing, "rect", "part trained")
    assert "only the new head learnt" in figure.caption


def test_strip_of_a_network_that_learnt_whole_has_no_frozen_part(good_record: RunRecord) -> None:
    moved = tuple(name for name in good_record.frozen_variables if name.rpartition("/")[0] in good_record.reused_layers)
    whole = dataclasses.replace(
        good_record,
        trained_from="input",
        trainable_variables=(*moved, *good_record.trainable_variables),
        frozen_variables=(),
        drift=tuple(Drift(layer, 0.1, False) for layer in good_record.reused_layers),
    )
    figure = draw("strip", whole)
    assert not attributes(figure.drawing, "rect", "part frozen")
    (learnt,) = attributes(figure.drawing, "rect", "part trained")
    assert percentage(learnt["x"]) == 0
    assert f"All {len(good_record.reused_layers)} reused layers learnt" in figure.caption.replace("\xa0", " ")


def test_nothing_is_counted_above_a_cut_that_was_given(good_record: RunRecord) -> None:
    own = tuple(probe for probe in good_record.probes if probe.cut_point == good_record.cut_point)
    legend = draw("strip", dataclasses.replace(good_record, probes=own)).legend
    assert legend[-1][2] == f"everything in the source above {good_record.cut_point}"


def test_probes_rise_with_accuracy_and_mark_the_chosen_cut(good_record: RunRecord) -> None:
    drawing = draw("probes", good_record).drawing
    (chosen,) = attributes(drawing, "circle", "mark own")
    others = attributes(drawing, "circle", "mark other")
    assert len(others) == len(good_record.probes) - 1
    depths = [probe.depth for probe in good_record.probes]
    at = next(probe.depth for probe in good_record.probes if probe.cut_point == good_record.cut_point)
    assert percentage(chosen["cx"]) == pytest.approx(LEFT + 1 + at / max(depths) * (RIGHT - LEFT - 1), abs=0.02)
    heights = [float(each["cy"]) for each in others]
    assert all(before > after for before, after in itertools.pairwise(heights))
    assert "chosen: conv_pw_11_relu" in drawing


def test_probes_say_when_the_cut_was_not_among_them(good_record: RunRecord) -> None:
    record = dataclasses.replace(good_record, cut_point="elsewhere")
    assert "which was not probed" in draw("probes", record).caption


def test_curves_draw_each_known_value_once(good_record: RunRecord) -> None:
    drawing = draw("curves", good_record).drawing
    # The untrained head is left out; accuracy and validation loss are blue, training loss is grey.
    assert len(attributes(drawing, "circle", "mark own")) == 2 * (len(good_record.history) - 1)
    losses = [epoch for epoch in good_record.history[1:] if epoch.loss is not None]
    assert len(attributes(drawing, "circle", "mark other")) == len(losses)
    assert "Validation accuracy was best, 91.1" in draw("curves", good_record).caption


def test_curves_are_broken_where_a_value_is_missing(good_record: RunRecord) -> None:
    rows = [
        dataclasses.replace(row, loss=None) if row.epoch == 5 else row
        for row in good_record.history
        if row.phase == "fine_tune"
    ]
    lines = attributes(
        draw("curves", dataclasses.replace(good_record, history=tuple(rows))).drawing, "polyline", "stroke other"
    )
    assert [len(each["points"].split()) for each in lines] == [4, 5]


def test_confusion_writes_every_count_and_colours_by_share(good_record: RunRecord) -> None:
    drawing = draw("confusion", good_record).drawing
    counts = [int(count) for count in re.findall(r'class="count[^"]*" text-anchor="middle">(\d+)<', drawing)]
    assert counts == [count for row in good_record.confusion for count in row if count]
    shares = [float(each["style"].split(":")[1]) ** 2 for each in attributes(drawing, "rect", "cell right")]
    rows = enumerate(good_record.confusion)
    assert shares == pytest.approx([row[index] / sum(row) for index, row in rows], abs=0.002)


def test_confusion_of_many_classes_is_left_to_the_table(records: Mapping[str, RunRecord]) -> None:
    assert PLOTS["confusion"](records["huge"]) is None


def test_reliability_puts_perfect_bins_on_the_diagonal(good_record: RunRecord) -> None:
    bins = tuple(dataclasses.replace(each, accuracy=each.confidence) for each in good_record.calibration)
    figure = draw("reliability", dataclasses.replace(good_record, calibration=bins))
    (ideal,) = attributes(figure.drawing, "line", "ideal")
    x1, x2 = percentage(ideal["x1"]), percentage(ideal["x2"])
    marks = attributes(figure.drawing, "circle", "mark own")
    assert len(marks) == sum(each.examples > 0 for each in bins)
    for mark in marks:
        along = (percentage(mark["cx"]) - x1) / (x2 - x1)
        up = (float(mark["cy"]) - float(ideal["y1"])) / (float(ideal["y2"]) - float(ideal["y1"]))
        assert along == pytest.approx(up, abs=0.001)
    assert "as confident as it is right" in figure.caption


def test_reliability_says_in_which_direction_it_errs(good_record: RunRecord) -> None:
    assert "too confident, by 3.0 points" in draw("reliability", good_record).caption


def test_drift_bars_are_as_high_as_the_change(good_record: RunRecord) -> None:
    drawing = draw("drift", good_record).drawing
    heights = [float(each["height"]) for each in attributes(drawing, "rect", "part trained")]
    moved = [layer.relative_change for layer in good_record.drift if not layer.frozen]
    assert [height / heights[-1] for height in heights] == pytest.approx(
        [each / moved[-1] for each in moved], abs=0.001
    )
    assert len(attributes(drawing, "rect", "part frozen")) == sum(layer.frozen for layer in good_record.drift)


def test_drift_of_a_frozen_layer_is_an_alarm(records: Mapping[str, RunRecord]) -> None:
    assert len(attributes(draw("drift", records["bad"]).drawing, "rect", "fill alarm")) == 1
    assert not attributes(draw("drift", records["good"]).drawing, "rect", "fill alarm")


def test_times_are_as_long_as_the_stages(good_record: RunRecord) -> None:
    figure = draw("times", good_record)
    found = stages(good_record)
    total = sum(seconds for _, seconds in found)
    widths = [
        percentage(width) for width in re.findall(r'width="([\d.]+%)" height="28"', figure.drawing) if width != "100%"
    ]
    assert [width + 0.3 for width in widths] == pytest.approx([100 * seconds / total for _, seconds in found], abs=0.02)
    assert [label for _, label, _ in figure.legend][:2] == ["Opening the source", "Frozen layers (activations)"]


def test_rates_puts_the_suggestion_where_it_is_and_leaves_out_what_exploded(good_record: RunRecord) -> None:
    losses = (1.0, 1.1, 0.9, 0.5, 0.2, 40.0)
    smoothed = (1.0, 1.0, 0.9, 0.5, 0.3, 20.0)
    rates = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    found = FoundRate("fine-tune", "adam", rates, losses, smoothed, 0.1, 0.1, 0.01, 0.1, True, "the steepest descent")
    figure = draw("rates", dataclasses.replace(good_record, found_rates=(found, found)))
    width = RIGHT - LEFT - 2
    (first, second) = attributes(figure.drawing, "line", "cut")
    assert percentage(first["x1"]) == percentage(second["x1"]) == pytest.approx(LEFT + 1 + 0.6 * width, abs=0.01)
    dots = attributes(figure.drawing, "circle", "mark other")
    assert [percentage(each["cx"]) for each in dots[:5]] == pytest.approx(
        [LEFT + 1 + index / 5 * width for index in range(5)], abs=0.01
    )
    assert len(dots) == 10
    # A lower loss is lower on the page.
    assert float(dots[4]["cy"]) > float(dots[3]["cy"]) > float(dots[2]["cy"])
    assert "A rate of 0.1 is suggested (the steepest descent); the rate rose over 6\xa0steps until" in figure.caption
    assert PLOTS["rates"](good_record) is None
