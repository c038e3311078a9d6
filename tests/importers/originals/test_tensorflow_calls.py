"""Functions opened in TensorFlow's own messages: every value inside can be fetched, and is what it should be."""

import numpy as np
import pytest

from regraft.importers.originals import tensorflow_calls

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

X = np.arange(6, dtype="float32").reshape(2, 3) - 2


def _signature(kind):
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(kind)


def _definition():
    @tf.function(autograph=False)
    def inner(x, y):
        first, second, third = tf.split(x, 3, axis=1, name="parts")
        return tf.add(second, third * y, name="sum"), x, tf.nn.relu(first, name="cut")

    @tf.function(autograph=False)
    def outer(x):
        a, same, cut = inner(x, tf.constant(2.0))
        b, _, _ = inner(same + 1, tf.constant(3.0))
        return tf.identity(a * b, name="product") + cut

    with tf.Graph().as_default() as graph:
        tf.identity(outer(v1.placeholder("float32", (None, 3), name="x")), name="y")
        return graph.as_graph_def(add_shapes=True)


def _calls(definition):
    (outside,) = [node for node in definition.node if "PartitionedCall" in node.op]
    body = next(item for item in definition.library.function if item.signature.name == outside.attr["f"].func.name)
    inside = [node.name for node in body.node_def if "PartitionedCall" in node.op]
    return outside.name, inside


def test_values_of_nested_calls_and_of_one_function_called_twice():
    definition = _definition()
    outside, (one, two) = _calls(definition)
    wanted = [f"{outside}/{call}/{value}" for call in (one, two) for value in ("parts:output:2", "sum:z:0")]
    wanted += [f"{outside}/product:output:0", "y:0"]
    names = tensorflow_calls.opened(definition, wanted, _signature)
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        found = session.run([names.get(name, name) for name in wanted], {"x:0": X})
    a, b = X[:, 1:2] + X[:, 2:] * 2, X[:, 1:2] + 1 + (X[:, 2:] + 1) * 3
    expected = [X[:, 2:], a, X[:, 2:] + 1, b, a * b, a * b + np.maximum(X[:, :1], 0)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_call_that_nothing_is_wanted_of_stays_closed():
    definition = _definition()
    before = definition.SerializeToString()
    assert tensorflow_calls.opened(definition, ["y:0"], _signature) == {}
    after = type(definition).FromString(before)
    assert [node.name for node in definition.node] == [node.name for node in after.node]


def test_a_kind_of_operation_that_is_not_known_is_an_error():
    definition = _definition()
    outside, (one, _) = _calls(definition)

    def unknown(kind):
        raise LookupError(f"operation {kind} is not TensorFlow's own")

    with pytest.raises(LookupError, match="is not TensorFlow's own"):
        tensorflow_calls.opened(definition, [f"{outside}/{one}/sum:z:0"], unknown)
