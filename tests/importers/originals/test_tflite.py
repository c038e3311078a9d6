"""TensorFlow's interpreter runs its own files, every value inside kept."""

import numpy as np
import pytest

from regraft.core.errors import WorkError
from regraft.importers.originals import tflite

tf = pytest.importorskip("tensorflow")

KERNEL = np.random.default_rng(0).normal(size=(4, 3)).astype("f4")
X = np.random.default_rng(1).normal(size=(1, 4)).astype("f4")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    module = tf.Module()
    module.kernel = tf.Variable(KERNEL)
    serve = tf.function(lambda x: tf.tanh(tf.tanh(x @ module.kernel)), autograph=False)
    concrete = serve.get_concrete_function(tf.TensorSpec([1, 4], name="x"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    file = tmp_path_factory.mktemp("tflite") / "m.tflite"
    file.write_bytes(converter.convert())
    return file


def test_values_inside(path):
    from regraft import formats

    graph = formats.graph(formats.read(path))
    wanted = [value for operation in graph.operations for value in operation.outputs]
    (made,) = tflite.run(path, [{graph.inputs[0]: X}], wanted).values
    last = np.tanh(np.tanh(X @ KERNEL))
    np.testing.assert_allclose(made[wanted[-1]], last, rtol=1e-6)
    np.testing.assert_allclose(np.tanh(made[wanted[-2]]), last, rtol=1e-6)


def test_names_that_are_there_twice_are_counted_as_the_reader_counts_them():
    details = [{"index": 2, "name": "a"}, {"index": 0, "name": "a"}, {"index": 1, "name": ""}]
    assert tflite._places(details) == {"a": 0, "tensor_1": 1, "a#2": 2}


def test_what_the_interpreter_says_is_one_line(path):
    with pytest.raises(WorkError, match=r"^tensorflow [\d.]+ \(tf.lite.Interpreter\) does not run") as caught:
        tflite.run(path, [{"absent": X}], [])
    assert "\n" not in str(caught.value)
