"""Graph models of TensorFlow.js at rest: the same operations and constants as in the frozen graph."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import flat
from regraft.formats import tensorflow_json
from regraft.formats.inspection import inspect
from regraft.formats.tensorflow_nodes import node
from regraft.formats.wire import Message
from tests.formats.tfjs_files import written

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1


@pytest.fixture
def definition() -> Any:
    """A frozen graph with settings and constants of every kind that the converter writes."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder("float32", (None, 6, 6, 2), name="x")
        x = tf.nn.conv2d(x, tf.constant(np.ones((3, 3, 2, 4), "f4"), name="kernel"), [1, 2], "SAME", name="conv")
        x = tf.reshape(tf.nn.leaky_relu(x, 0.25), tf.constant([-1, 72], "int64", name="shape"), name="flat")
        tf.identity(x, name="y")
    return graph.as_graph_def()


def test_operations_are_those_of_the_frozen_graph(definition: Any, tmp_path: Path) -> None:
    (tmp_path / "graph.pb").write_bytes(definition.SerializeToString())
    expected = formats.graph(formats.read(tmp_path / "graph.pb"))
    found = formats.graph(formats.read(written(tmp_path / "js", definition)))
    assert found.operations == expected.operations
    assert (found.inputs, found.outputs, found.shapes) == (expected.inputs, expected.outputs, expected.shapes)


def test_constants_are_read_from_shards(definition: Any, tmp_path: Path) -> None:
    archive = formats.read(written(tmp_path / "js", definition, shard=100))
    assert (archive.format, archive.metadata["convertedBy"]) == ("tfjs-graph", "TensorFlow.js Converter v3.18.0")
    np.testing.assert_array_equal(archive.tensors["kernel"].read(), np.ones((3, 3, 2, 4), "f4"))
    assert (archive.tensors["shape"].dtype, archive.tensors["shape"].read().tolist()) == ("int32", [-1, 72])
    assert not archive.warnings


def test_inspection_draws_operations(definition: Any, tmp_path: Path) -> None:
    found = inspect(written(tmp_path / "js", definition) / "model.json")
    assert found.format == "tfjs-graph"
    assert [point.name for point in found.cut_points] == ["conv", "LeakyRelu", "flat", "y"]


def test_functions_are_opened_and_their_constants_named_with_them(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        x = v1.placeholder("float32", (None, 3), name="x")
        within = tf.function(lambda x: x * tf.constant([1.0, 2.0, 3.0], name="factor"), autograph=False)
        tf.identity(within(x), name="y")
    archive = formats.read(written(tmp_path / "js", graph.as_graph_def()))
    (name,) = archive.tensors
    assert name.endswith("/factor")
    assert archive.tensors[name].read().tolist() == [1.0, 2.0, 3.0]
    held = [item.attributes.get("tensor") for item in flat(formats.graph(archive)).operations if item.kind == "Const"]
    assert held == [name]


def test_the_json_form_is_the_binary_form() -> None:
    """Both writers of it: that of protocol buffers, and the older one with numbers for words and rows for bytes."""
    attributes = {
        "text": {"s": base64.b64encode(b"SAME").decode()},
        "row": {"s": [83, 65, 77, 69]},
        "webSafe": {"s": base64.urlsafe_b64encode(b"\xfb\xff").decode().rstrip("=")},
        "long": {"i": "-3"},
        "real": {"f": 0.5},
        "endless": {"f": "Infinity"},
        "type": {"type": "DT_INT64"},
        "number": {"type": 3},
        "yes": {"b": True},
        "sizes": {"shape": {"dim": [{"size": "-1"}, {"size": 4}]}},
        "any": {"shape": {"unknownRank": True}},
        "numbers": {"list": {"i": ["1", "2"]}},
        "words": {"list": {"s": [base64.b64encode(b"BiasAdd").decode(), [82, 101, 108, 117]]}},
        "none": {"list": {}},
    }
    stated = {"name": "n", "op": "Some", "input": ["a", "^b"], "attr": attributes, "experimentalDebugInfo": {"x": 1}}
    content = tensorflow_json.encoded("NodeDef", stated)
    found = node(Message(content), memoryview(content))
    assert (found.name, found.kind, found.inputs, found.after) == ("n", "Some", ("a",), ("b",))
    assert found.attributes == {
        "text": "SAME", "row": "SAME", "webSafe": b"\xfb\xff", "long": -3, "real": 0.5, "endless": float("inf"),
        "type": "int64", "number": "int32", "yes": True, "sizes": (None, 4), "any": None, "numbers": (1, 2),
        "words": ("BiasAdd", "Relu"), "none": (),
    }  # fmt: skip


def _changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    file = folder / "model.json"
    whole = json.loads(file.read_text())
    change(whole)
    file.write_text(json.dumps(whole))
    return folder


def test_what_is_wrong_is_refused_by_name(definition: Any, tmp_path: Path) -> None:
    def fresh() -> Path:
        return written(tmp_path / "js", definition)

    def first(whole: dict[str, Any]) -> dict[str, Any]:
        return whole["modelTopology"]["node"][0]

    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "expected a block": lambda whole: whole["modelTopology"].update(node=[3]),
        "expected an object at 'attr'": lambda whole: first(whole).update(attr=[1]),
        "expected a type, found 'DT_NONSENSE'": lambda whole: first(whole)["attr"]["dtype"].update(type="DT_NONSENSE"),
        "expected bytes in base 64": lambda whole: first(whole)["attr"].update(x={"s": 3.5}),
        "two nodes have one name": lambda whole: whole["modelTopology"]["node"].append(first(whole)),
    }
    for message, change in changes.items():
        with pytest.raises(CorruptFileError, match=message):
            formats.read(_changed(fresh(), change))
    folder = _changed(fresh(), lambda whole: whole["weightsManifest"][0]["weights"][0].update(name="other"))
    assert formats.read(folder).warnings == ("no values in the shards for 'kernel' and 0 more",)
    folder = _changed(fresh(), lambda whole: whole.pop("modelTopology"))
    with pytest.raises(SourceError, match="holds weights but no graph; expected one in 'modelTopology'"):
        formats.graph(formats.read(folder))
    folder = _changed(fresh(), lambda whole: whole["modelTopology"]["node"][-1].update(input=["nobody"]))
    with pytest.raises(SourceError, match="reads the value 'nobody:0', which no node makes"):
        formats.graph(formats.read(folder))


def test_cut_off_at_any_place(definition: Any, tmp_path: Path) -> None:
    folder = written(tmp_path / "js", definition)
    content = (folder / "model.json").read_bytes()
    for end in range(1, len(content), 97):
        (folder / "model.json").write_bytes(content[:end])
        with pytest.raises((SourceError, CorruptFileError)) as caught:
            formats.graph(formats.read(folder / "model.json"))
        assert "\n" not in str(caught.value)
