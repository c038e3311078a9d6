"""Checkpoints that TensorFlow writes, read back bit for bit; and what is done about damaged ones."""

import tracemalloc

import ml_dtypes  # noqa: F401 - gives NumPy the types that TensorFlow has besides its own
import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats import crc32c, sstable
from tests.formats.tensorflow_files import FLIP, equal, everything, same

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

_TYPES = [
    *("float32", "float64", "int32", "uint8", "int16", "int8", "complex64", "complex128", "int64", "bool"),
    *("bfloat16", "float16", "string", "uint16", "uint32", "uint64"),
]


def _values(name):
    numbers = np.arange(600).reshape(20, 30) * 3 - 700
    if name == "string":
        return np.array([[b"", b"a" * 300], [b"\xff\x00", "ä".encode()]], object)
    return numbers > 0 if name == "bool" else numbers.astype(tf.as_dtype(name).as_numpy_dtype)


def _session_checkpoint(folder, names, version=2, sharded=False, partitions=False):
    """A checkpoint of TensorFlow 1, and the values that the session had."""
    with tf.Graph().as_default(), v1.Session() as session:
        for name in names:
            v1.Variable(_values(name), name=f"kept/{name}", use_resource=False, dtype=name)
        if partitions:
            for name, shape, axis, count in (("rows", [100, 7], 0, 3), ("columns", [9, 70], 1, 4)):
                cut = v1.fixed_size_partitioner(count, axis=axis)
                v1.get_variable(name, shape, partitioner=cut, use_resource=False)
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(write_version=version, sharded=sharded)
        path = saver.save(session, str(folder / "model.ckpt"), global_step=1000)
        values = {variable.op.name: session.run(variable) for variable in v1.global_variables()}
        for name, axis in (("rows", 0), ("columns", 1)) if partitions else ():
            pieces = sorted(
                (key for key in values if key.startswith(f"{name}/")), key=lambda key: int(key.split("_")[-1])
            )
            values[name] = np.concatenate([values.pop(key) for key in pieces], axis)
    return path, values


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A checkpoint with an optimizer's slots, and its values."""
    folder = tmp_path_factory.mktemp("checkpoint")
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        kernel = v1.get_variable("dense/kernel", [4, 3], use_resource=False)
        bias = v1.get_variable("dense/bias", [3], use_resource=False)
        loss = tf.reduce_mean(tf.square(x @ kernel + bias), name="loss")
        step = v1.train.get_or_create_global_step()
        train = v1.train.AdamOptimizer(0.01).minimize(loss, global_step=step)
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run(train, {x: np.ones((2, 4), np.float32)})
        v1.train.Saver().save(session, str(folder / "model.ckpt"))
        values = {variable.op.name: session.run(variable) for variable in v1.global_variables()}
    return folder, values


@pytest.mark.parametrize("sharded", [False, True])
def test_every_type_and_partitioned_variables(tmp_path, sharded):
    path, values = _session_checkpoint(tmp_path, _TYPES, sharded=sharded, partitions=True)
    archive = formats.read(path)
    assert archive.format == "tensorflow-checkpoint"
    assert set(archive.tensors) == set(values)
    for name, value in values.items():
        tensor = archive.tensors[name]
        assert same(tensor.read(), value), name
        assert tensor.shape == value.shape
        assert tensor.dtype == ("string" if value.dtype == object else value.dtype.name)


@pytest.mark.parametrize("sharded", [False, True])
def test_checkpoints_of_before_1_0(tmp_path, sharded):
    names = ["float32", "float64", "int32", "uint8", "int16", "int8", "complex64", "complex128", "int64"]
    path, values = _session_checkpoint(tmp_path, names, version=1, sharded=sharded, partitions=True)
    file = next(tmp_path.glob("model.ckpt-1000-00000-of-*")) if sharded else path
    archive = formats.read(file)
    assert archive.metadata["version"] == "V1"
    assert set(archive.tensors) == set(values)
    assert all(same(archive.tensors[name].read(), value) for name, value in values.items())


@pytest.mark.parametrize(
    "place", ["model.ckpt", "model.ckpt.index", "model.ckpt.data-00000-of-00001", "", "model.ckpt.meta"]
)
def test_all_ways_to_name_it(written, place):
    folder, values = written
    archive = formats.read(folder / place if place else folder)
    found = {name: tensor.read() for name, tensor in archive.tensors.items() if name in values}
    assert set(found) == {"dense/kernel", "dense/bias", "global_step"}
    assert all(same(found[name], values[name]) for name in found)


def test_slots_belong_to_variables(written):
    folder, values = written
    optimizer = formats.read(folder).optimizer
    assert (optimizer.class_name, optimizer.iterations) == ("Adam", 3)
    assert optimizer.config == {
        "beta1_power": pytest.approx(float(values["beta1_power"])),
        "beta2_power": pytest.approx(float(values["beta2_power"])),
    }
    found = {(slot.slot, slot.variable): slot.tensor.read() for slot in optimizer.slots}
    assert set(found) == {(slot, name) for slot in "mv" for name in ("dense/kernel", "dense/bias")}
    for (slot, name), value in found.items():
        assert same(value, values[f"{name}/Adam" if slot == "m" else f"{name}/Adam_1"])


_OPTIMIZERS = {
    "MomentumOptimizer": ("SGD", {"momentum"}, (0.1, 0.9)),
    "RMSPropOptimizer": ("RMSprop", {"rms", "momentum"}, (0.1,)),
    "AdagradOptimizer": ("Adagrad", {"accumulator"}, (0.1,)),
    "AdadeltaOptimizer": ("Adadelta", {"accum", "accum_update"}, (0.1,)),
    "FtrlOptimizer": ("Ftrl", {"accum", "linear"}, (0.1,)),
}


@pytest.mark.parametrize("name", _OPTIMIZERS)
def test_slots_of_every_optimizer_of_tensorflow_1(tmp_path, name):
    class_name, slots, arguments = _OPTIMIZERS[name]
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.get_variable("w", [3], use_resource=False)
        optimizer = getattr(v1.train, name)(*arguments)
        optimizer.minimize(tf.reduce_sum(variable))
        expected = {slot: optimizer.get_slot(variable, slot).op.name for slot in optimizer.get_slot_names()}
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "m"))
    found = formats.read(path).optimizer
    assert found.class_name == class_name
    assert {slot.slot for slot in found.slots} == slots
    reader = tf.train.load_checkpoint(path)
    for slot in found.slots:
        assert same(slot.tensor.read(), reader.get_tensor(expected[slot.slot]))


def test_averages_of_weights_are_weights(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.get_variable("w", [3], use_resource=False)
        tf.train.ExponentialMovingAverage(0.9).apply([variable])
        # The average begins at the variable, which must be there then; what is run at once has no order.
        session.run(variable.initializer)
        session.run(v1.variables_initializer([each for each in v1.global_variables() if each is not variable]))
        path = v1.train.Saver().save(session, str(tmp_path / "m"))
    archive = formats.read(path)
    assert set(archive.tensors) == {"w", "w/ExponentialMovingAverage"}
    assert archive.optimizer is None


def _network():
    import keras

    parts = [keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.BatchNormalization(name="norm")]
    model = keras.Sequential([*parts, keras.layers.Dense(2, name="last")], name="net")
    model.compile("adam", "mse")
    model.fit(np.ones((6, 4)), np.ones((6, 2)), verbose=0)
    return model


def test_objects_of_keras_3_with_its_optimizer(tmp_path):
    model = _network()
    path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(tmp_path / "ckpt"))
    archive = formats.read(path)
    expected = {variable.path: variable.numpy() for variable in model.variables}
    assert set(archive.tensors) == {*expected, "save_counter"}
    assert all(same(archive.tensors[name].read(), value) for name, value in expected.items())
    assert archive.metadata["objects"]["net/norm/moving_mean"].endswith("/moving_mean")
    optimizer = archive.optimizer
    assert (optimizer.class_name, optimizer.iterations) == ("Adam", 1)
    assert optimizer.config == {"learning_rate": pytest.approx(0.001)}
    state = {variable.path: variable.numpy() for variable in model.optimizer.variables}
    assert len(optimizer.slots) == 12
    for slot in optimizer.slots:
        flat = slot.variable.replace("/", "_")
        assert same(slot.tensor.read(), state[f"{model.optimizer.name}/{flat}_{slot.slot}"])


def test_objects_with_slot_variables(tmp_path):
    # The optimizers of TensorFlow 2.0 to 2.10 register their slots this way.
    kernel = tf.Variable([[1.0, 2.0]], name="dense/kernel")
    optimizer = v1.train.MomentumOptimizer(0.1, 0.9)
    optimizer.apply_gradients([(tf.constant([[1.0, 3.0]]), kernel)])
    path = tf.train.Checkpoint(layer=kernel, optimizer=optimizer).save(str(tmp_path / "ckpt"))
    archive = formats.read(path)
    assert same(archive.tensors["dense/kernel"].read(), kernel.numpy())
    (slot,) = archive.optimizer.slots
    assert (slot.slot, slot.variable) == ("momentum", "dense/kernel")
    np.testing.assert_array_equal(slot.tensor.read(), [[1.0, 3.0]])


def test_variables_of_one_name_are_named_by_their_place(tmp_path):
    twins = {name: tf.Variable(float(number), name="w") for number, name in enumerate(("left", "right"))}
    archive = formats.read(tf.train.Checkpoint(**twins).save(str(tmp_path / "ckpt")))
    assert archive.tensors["left"].read() == 0.0
    assert archive.tensors["right"].read() == 1.0
    (warning,) = archive.warnings
    assert warning == "1 names such as 'w' stand for several variables; all are named by their place among the objects"


def test_weights_alone_have_no_graph(tmp_path):
    path = tf.train.Checkpoint(w=tf.Variable(1.0)).save(str(tmp_path / "ckpt"))
    with pytest.raises(SourceError, match=r"holds weights but no graph; expected a .meta file beside it"):
        formats.graph(formats.read(path))


@pytest.fixture
def copied(written, tmp_path):
    folder, _ = written
    for item in folder.iterdir():
        (tmp_path / item.name).write_bytes(item.read_bytes())
    return tmp_path


def test_a_truncated_index_or_data_file_is_refused_whole(copied):
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        content = (copied / name).read_bytes()
        for length in {*range(1, len(content), 37), len(content) - 1, len(content) // 2}:
            (copied / name).write_bytes(content[:length])
            with pytest.raises(CorruptFileError) as caught:
                formats.read(copied / "model.ckpt.index")
            assert name in str(caught.value)
        (copied / name).write_bytes(content)


def test_a_table_cut_at_every_boundary_of_a_block_is_refused(tmp_path):
    path, _ = _session_checkpoint(tmp_path, ["float32", "int64"], version=1)
    content = (tmp_path / "model.ckpt-1000").read_bytes()
    ends = [block.offset + block.size + extra for block in sstable.blocks(memoryview(content)) for extra in (0, 1, 5)]
    for end in [*ends, len(content) - 48, len(content) - 8]:
        (tmp_path / "cut").write_bytes(content[:end] + content[-48:] if end < len(content) - 48 else content[:end])
        assert isinstance(everything(tmp_path / "cut"), str)
    assert path.endswith("model.ckpt-1000")


def test_every_flipped_byte_of_the_index_is_noticed_or_changes_nothing(copied):
    index = copied / "model.ckpt.index"
    content, whole = index.read_bytes(), everything(index)
    unnoticed = 0
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= FLIP
        index.write_bytes(altered)
        found = everything(index)
        if not isinstance(found, str):
            assert equal(found, whole), position
            unnoticed += 1
    # Padding in the footer, and the block of meta data that holds nothing.
    assert unnoticed < 70


def test_a_flipped_byte_of_a_tensor_is_named(copied):
    data = copied / "model.ckpt.data-00000-of-00001"
    content = data.read_bytes()
    for position in range(0, len(content), 3):
        altered = bytearray(content)
        altered[position] ^= FLIP
        data.write_bytes(altered)
        found = everything(copied / "model.ckpt")
        assert isinstance(found, str)
        assert "was altered: the checksum of tensor '" in found


def _with_entry(copied, change):
    """The index with every entry changed and all checksums right: what an attacker would write."""
    index = copied / "model.ckpt.index"
    table = memoryview(index.read_bytes())
    (block,) = sstable.blocks(table)
    pairs = [(key, change(key, bytes(value))) for key, value in sstable.entries(table, block)]
    index.write_bytes(rebuilt(pairs))


def rebuilt(pairs):
    """A table of one block."""
    from tests.formats.test_sstable import _table

    return _table([pairs])


def _entry(key, dtype=1, shape=(3,), shard=0, offset=0, size=12):
    from tests.formats.tensorflow_files import part

    sizes = b"".join(part(2, part(1, side)) for side in shape)
    return part(1, dtype) + part(2, sizes) + part(3, shard) + part(4, offset) + part(5, size)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"shape": (1 << 20, 1 << 20)}, "needs 4398046511104 bytes, 12 are stored"),
        ({"shape": (1 << 62, 1 << 62, 4)}, "bytes, 12 are stored"),
        ({"shape": (1 << 38,), "size": 1 << 40}, "is truncated: tensor"),
        ({"offset": 1 << 50}, "is truncated: tensor"),
        ({"shard": 7}, "in file 7 of 1"),
        ({"offset": -5}, "bytes at byte -5"),
        ({"shape": (-1,)}, "unknown shape"),
        ({"dtype": 7, "shape": (1 << 40,)}, "12 are stored"),
    ],
)
def test_claims_beyond_the_file_are_refused_on_opening(copied, changed, reason):
    _with_entry(copied, lambda key, value: _entry(key, **changed) if key else value)
    with pytest.raises(CorruptFileError, match=reason):
        formats.read(copied / "model.ckpt")


def test_values_that_no_file_can_hold_are_listed_and_refused_when_read(copied):
    _with_entry(copied, lambda key, value: _entry(key, dtype=20, size=3) if key else value)
    tensor = formats.read(copied / "model.ckpt").tensors["dense/bias"]
    assert tensor.dtype == "resource"
    with pytest.raises(SourceError, match="values of the type 'resource' cannot be read"):
        tensor.read()


def test_the_number_of_shards_is_bounded(copied):
    from tests.formats.tensorflow_files import part

    _with_entry(copied, lambda key, value: value if key else part(1, 1 << 40))
    with pytest.raises(CorruptFileError, match="1099511627776 files of values"):
        formats.read(copied / "model.ckpt")


def test_a_large_checkpoint_is_listed_in_little_memory(copied):
    # A gigabyte that takes no room on the disk: a file of holes.
    with (copied / "model.ckpt.data-00000-of-00001").open("r+b") as file:
        file.truncate(1 << 30)
    _with_entry(copied, lambda key, value: _entry(key, shape=(1 << 14, 1 << 14), size=1 << 30) if key else value)
    tracemalloc.start()
    archive = formats.read(copied / "model.ckpt")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert archive.tensors["dense/kernel"].size == 1 << 28
    assert peak < 4_000_000


def test_an_absent_shard_is_named(copied):
    (copied / "model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(CorruptFileError, match=r"in 'model.ckpt.data-00000-of-00001', which is not beside it"):
        formats.read(copied / "model.ckpt.index")


def test_a_file_replaced_after_opening_gives_no_values(copied):
    tensor = formats.read(copied / "model.ckpt").tensors["dense/bias"]
    data = copied / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes() + b" ")
    with pytest.raises(CorruptFileError, match="was replaced while it was in use"):
        tensor.read()


@pytest.mark.parametrize("stated", ["../secret/model.ckpt", "/etc/model.ckpt", "..", "sub/../../secret/model.ckpt"])
def test_the_checkpoint_file_leads_nowhere_else(copied, stated):
    folder = copied / "folder"
    secret = copied / "secret"
    folder.mkdir()
    secret.mkdir()
    for item in copied.glob("model.ckpt*"):
        item.rename(secret / item.name)
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{stated}"\n')
    with pytest.raises(SourceError, match="which is not in this folder"):
        formats.read(folder)


def test_a_checkpoint_that_was_moved_is_found_beside_its_checkpoint_file(copied):
    (copied / "checkpoint").write_text('model_checkpoint_path: "/home/someone/training/model.ckpt"\n')
    assert "dense/kernel" in formats.read(copied).tensors


def test_a_folder_of_several_checkpoints_asks_which(copied):
    (copied / "checkpoint").unlink()
    (copied / "other.index").write_bytes((copied / "model.ckpt.index").read_bytes())
    with pytest.raises(SourceError, match=r"found 2 of them: model.ckpt, other; name one of them"):
        formats.read(copied)


def test_an_index_under_another_name_says_what_it_is(copied):
    (copied / "model.ckpt.index").rename(copied / "weights")
    with pytest.raises(
        SourceError, match=r"is the index of a TensorFlow checkpoint; expected its name to end in .index"
    ):
        formats.read(copied / "weights")


def test_objects_whose_graph_was_altered_are_refused_or_named_otherwise(tmp_path):
    """The graph of objects is a message like any other: its checksum made right, it must still do no harm."""
    path = tf.train.Checkpoint(a=tf.Variable([1.0, 2.0]), o=tf.Variable(3)).save(str(tmp_path / "ckpt"))
    index = tmp_path / "ckpt-1.index"
    table = memoryview(index.read_bytes())
    (block,) = sstable.blocks(table)
    pairs = {key: bytes(value) for key, value in sstable.entries(table, block)}
    data = tmp_path / "ckpt-1.data-00000-of-00001"
    content = data.read_bytes()
    stored = tf.train.load_checkpoint(path).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    start = content.index(stored)
    refused = 0
    for position in range(len(stored)):
        altered = bytearray(stored)
        altered[position] ^= FLIP
        data.write_bytes(content[:start] + altered + content[start + len(stored) :])
        length = len(stored).to_bytes(4, "little")
        mark = crc32c.masked(length + content[start - 4 : start] + altered).to_bytes(4, "little")
        old = pairs[b"_CHECKPOINTABLE_OBJECT_GRAPH"]
        index.write_bytes(rebuilt(sorted({**pairs, b"_CHECKPOINTABLE_OBJECT_GRAPH": old[:-4] + mark}.items())))
        refused += isinstance(everything(path), str)
    assert 0 < refused < len(stored)


@pytest.mark.shared
@pytest.mark.parametrize(
    "place",
    [
        "tf1_ckpt_lenet_gtsrb/model/model.ckpt",
        "tf1_ckpt_mnist_softmax/regression.ckpt",
        "tf2_ckpt_mnist_mlp/training_1/cp.ckpt",
        "teachable_mobilenet_v2_0.35_keras_savedmodel/model.savedmodel/variables/variables",
        "tf_serving_half_plus_two/session_bundle/testdata/half_plus_two/00000123/export-00000-of-00001",
    ],
)
def test_real_checkpoints_equal_what_tensorflow_reads(shared_folder, place):
    path = shared_folder / "nets" / place
    reader = tf.train.load_checkpoint(str(path).replace("-00000-of", "-?????-of"))
    archive = formats.read(path)
    objects = archive.metadata.get("objects", {})
    keys = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    for name, tensor in archive.tensors.items():
        key = f"{objects[name]}/.ATTRIBUTES/VARIABLE_VALUE" if name in objects else name
        assert same(tensor.read(), reader.get_tensor(key)), name
        keys.discard(key)
    slots = archive.optimizer.slots if archive.optimizer else ()
    # What is left are the slots and the settings of the optimizer.
    assert len(keys) == len(slots) + (len(archive.optimizer.config) if slots else 0) + ("tf2" in place)


@pytest.mark.shared
def test_real_slots(shared_folder):
    lenet = formats.read(shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model")
    assert list(lenet.tensors) == ["bOut", "bc1", "bc2", "bd1", "bd2", "wOut", "wc1", "wc2", "wd1", "wd2"]
    reader = tf.train.load_checkpoint(str(shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt"))
    assert len(lenet.optimizer.slots) == 20
    for slot in lenet.optimizer.slots:
        assert same(slot.tensor.read(), reader.get_tensor(slot.variable + {"m": "/Adam", "v": "/Adam_1"}[slot.slot]))
    mlp = formats.read(shared_folder / "nets/tf2_ckpt_mnist_mlp/training_1")
    reader = tf.train.load_checkpoint(str(shared_folder / "nets/tf2_ckpt_mnist_mlp/training_1/cp.ckpt"))
    assert list(mlp.tensors)[:3] == ["dense/kernel", "dense/bias", "dense_1/kernel"]
    assert (mlp.optimizer.class_name, mlp.optimizer.iterations, len(mlp.optimizer.slots)) == ("Adam", 5625, 16)
    for slot in mlp.optimizer.slots:
        place = mlp.metadata["objects"][slot.variable]
        key = f"{place}/.OPTIMIZER_SLOT/optimizer/{slot.slot}/.ATTRIBUTES/VARIABLE_VALUE"
        assert same(slot.tensor.read(), reader.get_tensor(key))
