import base64
import hashlib
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import SourceError
from regraft.formats.drawing import graph_html
from regraft.formats.inspection import inspect
from regraft.formats.layout import drawn, spread

NAMES = ("convolutional", "sequential", "recurrent", "nested", "frozen_base", "towers")


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_has_a_box_and_every_cut_point_a_line(name, saved):
    _, path = saved(name, "keras")
    page = graph_html(path)
    svg = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    titles = [element.text.splitlines()[0] for element in svg.iter("{http://www.w3.org/2000/svg}title")]
    found = inspect(path)
    for layer in found.layers:
        assert layer.name in titles
    assert page.count('class="cut"') == len(found.cut_points)


@pytest.mark.parametrize("name", NAMES)
def test_boxes_do_not_overlap_and_frames_hold_what_is_theirs(name, saved):
    drawing = drawn(formats.graph(formats.read(saved(name, "keras")[1])))
    boxes = [box for box in drawing.boxes if not box.inside]
    for index, box in enumerate(boxes):
        assert box.x >= 0
        assert box.x + box.width <= drawing.width + 1e-6
        for other in boxes[index + 1 :]:
            apart_sideways = box.x + box.width <= other.x or other.x + other.width <= box.x
            apart_upwards = box.y + box.height <= other.y or other.y + other.height <= box.y
            assert apart_sideways or apart_upwards
    for frame in (box for box in drawing.boxes if box.inside):
        held = [
            box for box in boxes if frame.x < box.x < frame.x + frame.width and frame.y < box.y < frame.y + frame.height
        ]
        assert len(held) >= len([item for item in frame.operation.graph.operations if item.graph is None])


def test_lines_lead_downwards_and_a_chain_is_straight(saved):
    drawing = drawn(formats.graph(formats.read(saved("convolutional", "keras")[1])))
    for line in drawing.lines:
        assert line[0][0] == pytest.approx(line[-1][0])
        assert line[0][1] < line[-1][1]


def test_the_page_needs_nothing_else_and_knows_the_dark(saved):
    page = graph_html(saved("nested", "keras")[1])
    assert not re.findall(r"(?:src|href)=|url\(|@import|fetch\(|import\(|https?:(?!//www.w3.org/2000/svg)", page)
    # One script, the page's own: browsers are told to load nothing and to run no other.
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'\"" in page
    assert "prefers-color-scheme: dark" in page
    HTMLParser().feed(page)


def test_names_are_escaped(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="a<b>&c")], name="<script>")
    model.save(tmp_path / "m.keras")
    page = graph_html(tmp_path / "m.keras")
    assert "<b>" not in page
    assert "<script>" not in page
    assert page.count("<script") == 1
    assert "a&lt;b&gt;&amp;c" in page


def test_weights_alone_cannot_be_drawn(saved):
    with pytest.raises(SourceError, match="holds weights but no architecture"):
        graph_html(saved("nested", "keras-weights")[1])


def test_spreading_keeps_order_and_gaps():
    found = spread([5.0, 1.0, 1.0, 20.0], [2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0])
    assert all(b - a >= 2.0 - 1e-9 for a, b in itertools.pairwise(found))
    assert found[3] == 20.0
    assert sum(found[:3]) == pytest.approx(7.0)


def test_what_learns_and_what_is_frozen_is_marked(saved):
    """The base of this network is frozen; what stands on it learns; layers without weights have no mark."""
    svg = ET.fromstring(re.search(r"<svg.*</svg>", graph_html(saved("frozen_base", "keras")[1]), re.DOTALL)[0])
    states = {}
    for box in svg.iter("{http://www.w3.org/2000/svg}g"):
        name, *_, parameters = box[0].text.splitlines()
        states[name] = (box.get("class").split()[2:], parameters, "mark" in {part.get("class") for part in box})
    assert states["base/conv1"] == (["frozen"], "112 parameters, frozen", True)
    assert states["base/norm1"] == (["frozen"], "16 parameters, frozen", True)
    assert states["top"] == (["learns"], "514 parameters, learns", True)
    assert states["flat"] == ([], "0 parameters", False)


def test_every_cut_point_can_be_gone_to(saved):
    page = graph_html(saved("towers", "keras")[1])
    listed = re.findall(r'<option value="(\d+)">', page)
    assert listed == [str(point.depth) for point in inspect(saved("towers", "keras")[1]).cut_points]
    assert sorted(listed) == sorted(re.findall(r'data-cut="(\d+)"', page))


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_the_script_runs_in_a_browser_that_obeys_the_policy(saved, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(graph_html(saved("towers", "keras")[1]), encoding="utf-8")
    words = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom")
    done = subprocess.run(["chromium", *words, page.as_uri()], capture_output=True, text=True, check=False, timeout=120)
    drawn_by_it = re.search(r'<svg class="overview[^"]*".*?</svg>', done.stdout, re.DOTALL)
    assert drawn_by_it is not None, done.stderr[-2000:]
    boxes = page.read_text(encoding="utf-8").count('<g class="box ')
    assert drawn_by_it[0].count('<g class="box ') == boxes > 5
    assert 'class="view"' in drawn_by_it[0]


def test_an_operation_of_onnx_has_no_more_parameters_than_are_its_own(tmp_path):
    """Exporters begin names with "/", above which there is nothing."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    nodes = [
        helper.make_node("Gemm", ["x", "kernel"], ["a"], "/dense/Gemm"),
        helper.make_node("Relu", ["a"], ["y"], "/Relu"),
    ]
    given, wanted = (helper.make_tensor_value_info(name, 1, [1, size]) for name, size in (("x", 3), ("y", 2)))
    kernel = onnx.numpy_helper.from_array(np.ones((3, 2), "f4"), "kernel")
    model = helper.make_model(helper.make_graph(nodes, "net", [given], [wanted], [kernel]))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    page = graph_html(tmp_path / "m.onnx")
    titles = re.findall(r"<title>(.*?)</title>", page, re.DOTALL)
    assert [title.splitlines()[::3] for title in titles if title.startswith("/") and "parameters" in title] == [
        ["/dense/Gemm", "6 parameters"],
        ["/Relu", "0 parameters"],
    ]
    assert re.search(r'class="box act "[^>]*><title>/Relu', page)
