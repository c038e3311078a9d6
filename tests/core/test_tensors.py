import numpy as np

from regraft.core.tensors import Operation, OperationGraph, TensorEntry, flat


def _operation(name, reads, makes, layer=None, graph=None):
    return Operation(name, "Any", tuple(reads), tuple(makes), {}, layer or name, graph)


def _block(name):
    steps = (_operation("a", "i", ["a"]), _operation("b", "a", ["b"]), _operation("add", "ab", ["add"]))
    return OperationGraph(name, steps, ("i",), ("add",), {"i": (1,), "a": (2,), "b": (3,), "add": (4,)})


def test_nested_graphs_are_opened_up_and_second_calls_numbered():
    block = _block("block")
    calls = (_operation("block", "x", ["y"], graph=block), _operation("block#2", "y", ["z"], "block", block))
    opened = flat(OperationGraph("model", (*calls, _operation("top", "z", ["t"])), ("x",), ("t",), {"x": (9,)}))
    assert [item.name for item in opened.operations] == [
        *("block/a", "block/b", "block/add", "block/a#2", "block/b#2", "block/add#2", "top")
    ]
    assert opened.operations[3].layer == "block/a"
    assert opened.operations[3].inputs == opened.operations[2].outputs
    assert [item.name for item in opened.separating()] == ["block/a", "block/add", "block/a#2", "block/add#2", "top"]
    assert opened.shapes[opened.operations[0].outputs[0]] == (2,)
    assert opened.shapes["x"] == (9,)


def test_a_nested_graph_that_gives_its_input_back():
    through = OperationGraph("through", (), ("i",), ("i",))
    graph = OperationGraph(
        "model", (_operation("n", "x", ["y"], graph=through), _operation("t", "y", ["t"])), ("x",), ("t",)
    )
    assert flat(graph).operations[0].inputs == ("x",)


def test_an_entry_knows_its_size_and_compares_without_reading():
    def refuse():
        raise AssertionError

    one, other = (TensorEntry("a/kernel", (2, 3), "float32", read) for read in (refuse, lambda: np.zeros(6)))
    assert one == other
    assert one.size == 6
