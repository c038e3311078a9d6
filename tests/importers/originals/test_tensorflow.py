"""TensorFlow runs its own files: as a session does it, variables from the checkpoint, dropout left out."""

from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import WorkError
from regraft.importers.originals import tensorflow as runtime

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

X = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
KERNEL = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")


def trained(folder: Path, rate: object = None) -> Path:
    """A meta graph and its checkpoint, whose values are not those that the graph begins with."""
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x = v1.placeholder("float32", (None, 4), name="x")
        kernel = v1.get_variable("kernel", initializer=np.zeros((4, 3), "float32"))
        if rate is not None:
            x = v1.nn.dropout(
                x, rate=v1.placeholder("float32", (), name="rate") if rate == "fed" else rate, name="drop"
            )
        tf.nn.relu(x @ kernel, name="answer")
        session.run(kernel.assign(KERNEL))
        v1.train.Saver().save(session, str(folder / "m"))
    return folder / "m.meta"


def test_variables_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    ran = runtime.run(trained(tmp_path), [{"x:0": X}, {"x:0": X[:1]}], ["matmul:0", "answer:0"])
    np.testing.assert_allclose(ran.values[0]["matmul:0"], X @ KERNEL, rtol=1e-6)
    np.testing.assert_allclose(ran.values[1]["answer:0"], np.maximum(X[:1] @ KERNEL, 0), rtol=1e-6, atol=1e-7)
    assert ran.notes == ()


@pytest.mark.parametrize("rate", [0.5, "fed"])
def test_a_graph_that_drops_at_random_is_run_as_it_is_used(tmp_path: Path, rate: object) -> None:
    ran = runtime.run(trained(tmp_path, rate), [{"x:0": X}], ["answer:0"])
    np.testing.assert_allclose(ran.values[0]["answer:0"], np.maximum(X @ KERNEL, 0), rtol=1e-6, atol=1e-7)
    assert len(ran.notes) == 1
    assert "left out, as when the network is used" in ran.notes[0]


def test_what_tensorflow_says_is_one_line(tmp_path: Path) -> None:
    path = trained(tmp_path)
    with pytest.raises(WorkError, match=r"^tensorflow [\d.]+ does not run '.*m.meta': .*; leave --check out$"):
        runtime.run(path, [{"x:0": X[:, :3]}], ["answer:0"])
    (tmp_path / "m.index").unlink()
    with pytest.raises(WorkError, match="does not run") as caught:
        runtime.run(path, [{"x:0": X}], ["answer:0"])
    assert "\n" not in str(caught.value)
