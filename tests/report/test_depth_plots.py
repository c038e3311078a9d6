"""What the figures of a depth search draw is computed from the record: places, lengths and order follow the values."""

import dataclasses
import itertools
import math
import re

import pytest

from regraft.core.depth import DepthRecord, Stretch
from regraft.core.records import Metric
from regraft.report import depth_reading
from regraft.report.naming import shortened
from regraft.report.plots.axes import LEFT, RIGHT
from regraft.report.plots.depth import DEPTH_PLOTS, blocks
from regraft.report.plots.svg import Figure, Scale
from tests.report.depth_records import DEPTH_RECORDS, cut
from tests.report.test_plots import attributes, percentage


def draw(name: str, record: DepthRecord) -> Figure:
    figure = DEPTH_PLOTS[name](record)
    assert figure is not None
    return figure


def small() -> DepthRecord:
    return DEPTH_RECORDS["small"]()


@pytest.mark.parametrize("record", sorted(DEPTH_RECORDS))
@pytest.mark.parametrize("name", sorted(DEPTH_PLOTS))
def test_captions_are_sentences_and_nothing_is_drawn_at_no_place(name: str, record: str) -> None:
    figure = DEPTH_PLOTS[name](DEPTH_RECORDS[record]())
    if figure is not None:
        assert figure.caption.endswith(".")
        assert "nan" not in figure.caption
        assert "nan" not in re.sub(r">[^<]*<", "><", figure.drawing)


def test_there_are_figures_only_of_what_is_there() -> None:
    there = {name for name, make in DEPTH_PLOTS.items() if make(DEPTH_RECORDS["alone"]()) is not None}
    assert there == {"cuts", "ways"}


def test_the_frozen_curve_is_drawn_over_the_depth_of_its_cut_points() -> None:
    record = small()
    drawing = draw("cuts", record).drawing
    x = Scale(0, 77, LEFT + 1, RIGHT)
    y = Scale(*_domain(drawing), 300.0, 40.0)
    found = [(percentage(each["cx"]), float(each["cy"])) for each in attributes(drawing, "circle", "mark own")]
    expected = [
        (x(6 * block - 1) - 0.7, y(trial.accuracy.value))
        for block, trial in zip(range(5, 14), depth_reading.frozen_curve(record), strict=True)
    ]
    # Positions are written with two decimals.
    assert [at for at, _ in found] == pytest.approx([at for at, _ in expected], abs=0.011)
    assert [up for _, up in found] == pytest.approx([up for _, up in expected], abs=0.011)


def test_of_the_ways_that_tune_the_best_at_each_cut_point_is_joined() -> None:
    record = small()
    tuned = depth_reading.tuned_curve(record)
    assert [trial.way.cut_point for trial in tuned] == [cut(9), cut(11), cut(12)]
    for top in tuned:
        there = [each for each in record.table if each.way.cut_point == top.way.cut_point and each.way.tuned]
        assert top.accuracy.value == max(each.accuracy.value for each in there if each.finished)
    (line,) = attributes(draw("cuts", record).drawing, "polyline", "stroke tuned")
    assert len(line["points"].split()) == 3


def test_ways_that_were_left_early_are_hollow_and_joined_by_nothing() -> None:
    drawing = draw("cuts", small()).drawing
    assert len(attributes(drawing, "circle", "mark hollow tuned")) == 2
    assert "hollow marks are ways left early" in draw("cuts", small()).caption


def test_the_recommended_cut_is_marked_at_its_depth() -> None:
    drawing = draw("cuts", small()).drawing
    (mark,) = attributes(drawing, "line", "cut")
    assert percentage(mark["x1"]) == pytest.approx(Scale(0, 77, LEFT + 1, RIGHT)(65), abs=0.011)
    assert "recommended: conv_pw_11_relu" in drawing
    sizes = {float(each["r"]) for each in attributes(drawing, "circle", "mark tuned")}
    assert max(sizes) == 6.5


def test_every_block_has_a_band_that_ends_at_its_last_cut_point() -> None:
    record = DEPTH_RECORDS["huge"]()
    drawing = draw("cuts", record).drawing
    bands = [*attributes(drawing, "rect", "block b0"), *attributes(drawing, "rect", "block b1")]
    ends = sorted(percentage(each["x"]) + percentage(each["width"]) for each in bands)
    x = Scale(0, 120, LEFT + 1, RIGHT)
    assert ends == pytest.approx([x(each.depth) for each in record.stretches], abs=0.02)


@pytest.mark.parametrize("count", [1, 5, 13, 50])
@pytest.mark.parametrize("chosen", [0, 3])
def test_names_of_blocks_meet_neither_on_a_telephone_nor_on_a_wide_screen(count: int, chosen: int) -> None:
    stretches = [Stretch(f"inverted_residual_{at}", f"cut_{at}", 7 * (at + 1), 3) for at in range(count)]
    wanted = stretches[min(chosen, count - 1)].block
    labels = blocks.placed(stretches, Scale(0, 7 * count, LEFT + 1, RIGHT), wanted)
    for width, shown in (
        (340, [each for each in labels if each.narrow]),
        (760, [each for each in labels if each.wide]),
    ):
        # A letter of the tick's size is some 6 pixels wide.
        spans = sorted(
            (each.middle / 100 * width - 3.0 * len(each.name), each.middle / 100 * width + 3.0 * len(each.name))
            for each in shown
        )
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
        assert spans[0][0] >= 0
        assert spans[-1][1] <= width
        assert shortened(wanted, 12) in {each.name for each in shown}
        # As many as there is room for: half of them at the least would not fit in.
        assert len(shown) == count or 2 * sum(high - low for low, high in spans) > width / 3


def test_the_number_of_layers_that_learn_is_the_horizontal_axis() -> None:
    record = small()
    drawing = draw("learning", record).drawing
    (line,) = attributes(drawing, "polyline", "stroke c0")
    places = [float(point.split(",")[0]) for point in line["points"].split()]
    x = Scale(0, 32, LEFT + 2, RIGHT - 1)
    assert places == pytest.approx([x(tuned) for tuned in (0, 4, 8, 16, 32)], abs=0.011)
    assert [name for _, name, _ in draw("learning", record).legend] == [
        f"Head on {cut(11)}", *(f"Head on {name}" for name, _ in depth_reading.by_cut_point(record)[1:]),
    ]  # fmt: skip


def test_at_most_four_curves_are_drawn_the_recommended_one_among_them() -> None:
    record = DEPTH_RECORDS["huge"]()
    figure = draw("learning", record)
    assert len(figure.legend) == 4 < len(depth_reading.by_cut_point(record))
    assert figure.legend[0][1] == f"Head on {shortened(record.recommended.way.cut_point, 18)}"


def test_a_strip_is_as_long_as_the_layers_it_stands_for() -> None:
    record = small()
    drawing = draw("ways", record).drawing
    frozen = percentage(attributes(drawing, "rect", "part frozen")[0]["width"]) + 0.3
    trained = percentage(attributes(drawing, "rect", "part trained")[0]["width"]) + 0.3
    dropped = percentage(attributes(drawing, "rect", "part dropped")[0]["width"]) + 0.3
    # 36 stay, 8 learn, 8 are dropped of 52; the head takes 1.6 of 34.
    assert [frozen, trained, dropped] == pytest.approx([32.4 * part / 52 for part in (36, 8, 8)], abs=0.011)


def test_a_head_that_reads_a_lower_block_has_a_line_there_and_is_on_no_curve() -> None:
    record = small()
    way = dataclasses.replace(record.recommended.way, trained_from=cut(11), tuned=0, tap=cut(5))
    frozen = next(each for each in record.table if each.way == dataclasses.replace(way, tap=None))
    tapped = dataclasses.replace(frozen, way=way)
    with_it = dataclasses.replace(record, table=(record.table[0], tapped, *record.table[1:]))
    # Five blocks of four of 52 layers are below it; the head takes 1.6 of 34, and the line is 0.6 wide.
    heads = attributes(draw("ways", with_it).drawing, "rect", "part head")
    (line,) = (each for each in heads if each["height"] == "18")
    assert percentage(line["x"]) + 0.3 == pytest.approx(32.4 * 20 / 52, abs=0.011)
    assert f"the head reads {cut(5)} as well" in draw("ways", with_it).drawing
    assert len(attributes(draw("cuts", with_it).drawing, "circle", "mark tapped")) == 1
    for told in (depth_reading.frozen_curve, depth_reading.by_cut_point):
        assert told(with_it) == told(record)
    for name, label in (("cuts", "Two cut points"), ("ways", "Head")):
        with_tap, without = ({each[1]: each[2] for each in draw(name, of).legend} for of in (with_it, record))
        assert with_tap.get(label) != without.get(label)


def test_intervals_of_what_cannot_be_told_apart_have_the_colour_of_the_recommended() -> None:
    drawing = draw("ways", small()).drawing
    assert len(attributes(drawing, "rect", "interval own")) == 4
    assert len(attributes(drawing, "rect", "interval other")) == 8
    assert "12\xa0more are in the table below" in draw("ways", small()).caption


def test_the_forecast_widens_to_the_right_of_today() -> None:
    figure = draw("forecast", small())
    (shade,) = attributes(figure.drawing, "polygon", "shade ahead")
    points = [tuple(map(float, point.split(","))) for point in shade["points"].split()]
    lower, upper = points[:4], points[4:][::-1]
    heights = [low[1] - high[1] for low, high in zip(lower, upper, strict=True)]
    assert heights == sorted(heights)
    assert len(attributes(figure.drawing, "circle", "mark own")) == 4
    assert figure.caption.replace("\xa0", " ").replace("\u202f", " ") == (
        "90.1 % is expected with the 640 examples of today, 93.5 % with 2 560 (88.4 to 97.4 %)."
    )


def test_a_doubling_is_as_wide_anywhere() -> None:
    record = small()
    places = [percentage(each["cx"]) for each in attributes(draw("forecast", record).drawing, "circle", "mark own")]
    steps = [after - before for before, after in itertools.pairwise(places)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.02)


def test_the_recommended_way_stands_beside_simpler_ones_with_its_corrected_figure() -> None:
    figure = draw("baselines", small())
    (own,) = attributes(figure.drawing, "circle", "mark own")
    assert percentage(own["cx"]) == pytest.approx(0.5 + 99 * 0.901, abs=0.011)
    others = [percentage(each["cx"]) for each in attributes(figure.drawing, "circle", "mark other")]
    assert others == pytest.approx([0.5 + 99 * value for value in (0.562, 0.408, 0.391)], abs=0.011)


def test_where_it_was_fitted_it_stands_with_what_that_reached_on_the_same_examples_as_the_simpler_ones() -> None:
    figure = draw("baselines", dataclasses.replace(small(), fitted=Metric(0.88, (0.82, 0.92))))
    (own,) = attributes(figure.drawing, "circle", "mark own")
    assert percentage(own["cx"]) == pytest.approx(0.5 + 99 * 0.88, abs=0.011)
    assert "on the same examples; 90.1\xa0% was expected of it." in figure.caption


def test_without_blocks_layers_below_say_where_a_cut_point_is() -> None:
    record = dataclasses.replace(small(), stretches=(), probes=())
    assert depth_reading.depths(record)[cut(11)] == 44.0
    assert math.isclose(
        percentage(attributes(draw("cuts", record).drawing, "line", "cut")[0]["x1"]), 13 + 85 * 44 / 52, abs_tol=0.011
    )


def _domain(drawing: str) -> tuple[float, float]:
    """The lowest and the highest value of the vertical axis, from its grid lines' labels and places."""
    labels = re.findall(r'<text x="0%" y="([\d.]+)" class="tick">(\d+)\xa0%</text>', drawing)
    (low_y, low), (high_y, high) = labels[0], labels[-1]
    per_pixel = (int(high) - int(low)) / (float(low_y) - float(high_y)) / 100
    return int(low) / 100 - (300 - float(low_y) - 4) * per_pixel, int(high) / 100 + (float(high_y) + 4 - 40) * per_pixel
