"""Small networks written by the frameworks themselves, a function for each format; frameworks load when asked for."""

import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Made = Mapping[str, str]


def keras_zip(folder: Path) -> Made:
    return _saved(folder, "m.keras", lambda model, path: model.save(path))


def keras_folder(folder: Path) -> Made:
    made = keras_zip(folder)
    for key, name in made.items():
        with zipfile.ZipFile(folder / key / name) as archive:
            archive.extractall(folder / key)
        (folder / key / name).unlink()
    return dict.fromkeys(made, "")


def keras_json(folder: Path) -> Made:
    def save(model: Any, path: Path) -> None:
        path.with_name("model.json").write_text(model.to_json())
        model.save_weights(path)

    return _saved(folder, "m.weights.h5", save)


def keras_h5(folder: Path) -> Made:
    return _saved(folder, "m.h5", lambda model, path: model.save(path))


def keras_weights(folder: Path) -> Made:
    return _saved(folder, "m.weights.h5", lambda model, path: model.save_weights(path))


def keras_h5_weights(folder: Path) -> Made:
    """Weights alone as Keras 2 wrote them: the group `model_weights` of a whole model as the file."""
    import h5py

    made = keras_h5(folder)
    for key, name in made.items():
        path = folder / key / name
        with h5py.File(path, "r") as whole, h5py.File(path.with_name("weights.h5"), "w") as weights:
            inner: Any = whole["model_weights"]
            for item in inner:
                whole.copy(f"model_weights/{item}", weights)
            for attribute, value in inner.attrs.items():
                weights.attrs[attribute] = value
        path.unlink()
    return dict.fromkeys(made, "weights.h5")


def checkpoint_v1(folder: Path) -> Made:
    return _without_graph(
        folder, {**_checkpoint(folder / "plain", 1), **_checkpoint(folder / "parted", 1, parted=True)}
    )


def checkpoint_v2(folder: Path) -> Made:
    import tensorflow as tf

    made = {**_checkpoint(folder / "plain", 2), **_checkpoint(folder / "parted", 2, parted=True)}
    _without_graph(folder, made)
    (folder / "objects").mkdir()
    model = next(_networks())[1]
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(folder / "objects/model.ckpt"))
    return {**made, "objects": "model.ckpt"}


def _without_graph(folder: Path, made: Made) -> Made:
    """The graph beside a checkpoint is a format of its own, and takes ten times as long to read."""
    for key, name in made.items():
        (folder / key / f"{name}.meta").unlink()
    return made


def frozen_graph(folder: Path) -> Made:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    made: dict[str, str] = {}
    for key, model in _networks():
        if key == "recurrent":
            continue
        shapes = [tf.TensorSpec((1, *item.shape[1:]), item.dtype) for item in model.inputs]
        frozen = convert_variables_to_constants_v2(
            tf.function(lambda *x, m=model: m(x[0])).get_concrete_function(*shapes)
        )
        (folder / key).mkdir()
        (folder / key / "graph.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
        made[key] = "graph.pb"
    return made


def meta_graph(folder: Path) -> Made:
    return dict.fromkeys(_checkpoint(folder / "plain", 2), "model.ckpt.meta")


def saved_model(folder: Path) -> Made:
    import tensorflow as tf

    made: dict[str, str] = {}
    for key, model in _networks():
        if key == "chain":
            # Keras' own export would write megabytes of functions.
            module: Any = tf.Module()
            module.kernel = tf.Variable(tf.ones((4, 2)), name="kernel")
            serve = tf.function(
                lambda x, m=module: tf.nn.relu(x @ m.kernel), [tf.TensorSpec((None, 4), "float32", "x")]
            )
            tf.saved_model.save(module, str(folder / key), signatures=serve)
            made[key] = ""
            assert model
    return made


def session_bundle(folder: Path) -> Made:
    """A meta graph and its checkpoint of version 1 under the names that TensorFlow Serving asked for."""
    _checkpoint(folder / "plain", 1)
    (folder / "plain/model.ckpt").rename(folder / "plain/export-00000-of-00001")
    (folder / "plain/model.ckpt.meta").rename(folder / "plain/export.meta")
    return {"plain": ""}


def pytorch_zip(folder: Path) -> Made:
    return _torch_saved(folder, {})


def pytorch_legacy(folder: Path) -> Made:
    return _torch_saved(folder, {"_use_new_zipfile_serialization": False})


def torchscript(folder: Path) -> Made:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(_module().eval(), torch.zeros(1, 2, 5, 5))
        (folder / "traced").mkdir()
        torch.jit.save(traced, folder / "traced/m.pt")
    return {"traced": "m.pt"}


def safetensors(folder: Path) -> Made:
    for key, count in (("whole", 1), ("shards", 2)):
        (folder / key).mkdir()
        names = list(_arrays())
        places: dict[str, str] = {}
        for number in range(count):
            own = {name: _arrays()[name] for name in names[number::count]}
            file = "model.safetensors" if count == 1 else f"model-{number}.safetensors"
            places |= dict.fromkeys(own, file)
            (folder / key / file).write_bytes(_safetensors(own))
        if count > 1:
            index = {"metadata": {"total_size": 1}, "weight_map": places}
            (folder / key / "model.safetensors.index.json").write_text(json.dumps(index))
    return {"whole": "model.safetensors", "shards": "model.safetensors.index.json"}


def npy(folder: Path) -> Made:
    arrays = _arrays()
    for key, value in (
        ("plain", arrays["b"]),
        ("fortran", np.asfortranarray(arrays["a"])),
        ("objects", _object(arrays)),
    ):
        (folder / key).mkdir()
        np.save(folder / key / "m.npy", value, allow_pickle=True)
    return dict.fromkeys(("plain", "fortran", "objects"), "m.npy")


def npz(folder: Path) -> Made:
    for key, save in (("plain", np.savez), ("packed", np.savez_compressed)):
        (folder / key).mkdir()
        save(folder / key / "m.npz", **_arrays(), more=_object(_arrays()))
    return dict.fromkeys(("plain", "packed"), "m.npz")


def pickles(folder: Path) -> Made:
    value = {
        "layers": [OrderedDict(_arrays()), {"w": np.arange(6.0)}],
        "name": "net",
        "n": 7,
        "pair": (1.5, None, b"x"),
    }
    for protocol in range(6):
        (folder / f"protocol{protocol}").mkdir()
        (folder / f"protocol{protocol}/m.pkl").write_bytes(pickle.dumps(value, protocol))
    return {f"protocol{protocol}": "m.pkl" for protocol in range(6)}


def caffe(folder: Path) -> Made:
    """Without Caffe: the two forms of its schema, from the field numbers in `caffe.proto`."""
    from fuzz.messages import varint

    def part(number: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        return varint(number << 3 | 2) + varint(len(value)) + value

    kernel = np.arange(36, dtype="f4")
    blob = part(5, kernel.tobytes()) + part(7, part(1, b"\4\1\3\3"))
    layer = part(1, b"conv1") + part(2, b"Convolution") + part(3, b"data") + part(4, b"conv1") + part(7, blob)
    layer += part(106, part(1, 4) + part(4, 3))
    norm = part(1, b"norm") + part(2, b"BatchNorm") + part(3, b"conv1") + part(4, b"norm")
    norm += b"".join(
        part(7, part(5, np.ones(size, "f4").tobytes()) + part(7, part(1, bytes([size])))) for size in (4, 4, 1)
    )
    sizes = b"".join(part(number, size) for number, size in enumerate((4, 1, 3, 3), 1))
    old = (
        part(2, b"data")
        + part(3, b"conv1")
        + part(4, b"conv1")
        + part(5, 4)
        + part(6, sizes + part(5, kernel.tobytes()))
    )
    text = (
        'name: "net"\ninput: "data"\ninput_dim: 1\ninput_dim: 1\ninput_dim: 8\ninput_dim: 8\n'
        'layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param '
        "{ num_output: 4 kernel_size: 3 } }\n"
        'layer { name: "norm" type: "BatchNorm" bottom: "conv1" top: "norm" }\n'
        'layer { name: "pool" type: "Pooling" bottom: "norm" top: "pool" pooling_param { pool: MAX kernel_size: 2 } }\n'
    )
    files = {
        "new/m.caffemodel": part(1, b"net") + part(100, layer) + part(100, norm),
        "old/m.caffemodel": part(1, b"net") + part(2, old) + part(2, old.replace(b"conv1", b"conv2")),
        "text/m.caffemodel": part(1, b"net") + part(100, layer) + part(100, norm),
        "text/m.prototxt": text.encode(),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return dict.fromkeys(("new", "old", "text"), "m.caffemodel")


def onnx(folder: Path) -> Made:
    from onnx import TensorProto, helper, numpy_helper

    kernel = numpy_helper.from_array(np.ones((4, 3, 3, 3), "f4"), "kernel")
    listed = helper.make_tensor("bias", TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0])
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1, -1])
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["c"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Reshape", ["r", "shape"], ["y"], "flat"),
    ]
    then = helper.make_graph(
        [helper.make_node("Relu", ["y"], ["t"])], "then", [], [helper.make_tensor_value_info("t", 1, None)]
    )
    nodes.append(helper.make_node("If", ["flag"], ["z"], "choice", then_branch=then, else_branch=then))
    inputs = [helper.make_tensor_value_info("x", 1, [1, 3, 8, 8]), helper.make_tensor_value_info("flag", 9, [])]
    graph = helper.make_graph(
        nodes, "net", inputs, [helper.make_tensor_value_info("z", 1, [1, None])], [kernel, listed, shape]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (folder / "small").mkdir()
    (folder / "small/m.onnx").write_bytes(model.SerializeToString())
    outer = model.graph.initializer[0]
    outer.ClearField("raw_data")
    outer.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "m.data"), ("offset", "0"), ("length", "432")):
        outer.external_data.add(key=key, value=value)
    (folder / "beside").mkdir()
    (folder / "beside/m.onnx").write_bytes(model.SerializeToString())
    (folder / "beside/m.data").write_bytes(b"\0" * 432)
    return {"small": "m.onnx", "beside": "m.onnx"}


def tflite(folder: Path) -> Made:
    import tensorflow as tf

    model = next(_networks())[1]
    (folder / "small").mkdir()
    (folder / "small/m.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return {"small": "m.tflite"}


def tfjs(folder: Path) -> Made:
    kernel, bias = np.arange(12, dtype="<f4").reshape(4, 3), np.ones(3, "<f4")
    first = {"name": "low", "units": 3, "activation": "relu", "use_bias": True, "batch_input_shape": [None, 4]}
    layers = [
        {"class_name": "Dense", "config": first},
        {"class_name": "Dropout", "config": {"name": "dropped", "rate": 0.1}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    topology = {"keras_version": "2.4.0", "backend": "tensorflow", "model_config": config}
    made: dict[str, str] = {}
    for key, shard in (("plain", 1000), ("shards", 20)):
        _sharded(
            folder / key,
            "layers-model",
            topology,
            {"low/kernel": kernel, "low/bias": bias},
            shard,
            quantised=bool(made),
        )
        made[key] = "model.json"
    return made


def tfjs_graph(folder: Path) -> Made:
    import tensorflow as tf
    from google.protobuf.json_format import MessageToDict

    made = frozen_graph(folder)
    for number, (key, name) in enumerate(made.items()):
        file = folder / key / name
        graph = tf.compat.v1.GraphDef.FromString(file.read_bytes())
        file.unlink()
        constants = [node for node in graph.node if node.op == "Const"]
        values = {node.name: tf.make_ndarray(node.attr["value"].tensor) for node in constants}
        for node in constants:
            for field in ("tensor_content", "float_val", "int_val", "int64_val", "bool_val"):
                node.attr["value"].tensor.ClearField(field)
        narrow = {name: array.astype("int32") if array.dtype == np.int64 else array for name, array in values.items()}
        _sharded(folder / key, "graph-model", MessageToDict(graph), narrow, 300, quantised=bool(number))
    return dict.fromkeys(made, "model.json")


def _sharded(
    folder: Path, kind: str, topology: Any, tensors: Mapping[str, Any], shard: int, *, quantised: bool
) -> None:
    """A model of TensorFlow.js with its numbers in shards, those that are no whole ones of 16 bits if so wanted."""
    stated, content = [], b""
    for name, values in tensors.items():
        about: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": str(values.dtype)}
        if quantised and values.dtype == np.float32:
            values = values.astype("<f2")
            about["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        stated.append(about)
        content += values.tobytes()
    parts = [content[start : start + shard] for start in range(0, len(content), shard)]
    paths = [f"group1-shard{number}of{len(parts)}.bin" for number in range(1, len(parts) + 1)]
    folder.mkdir(exist_ok=True)
    for path, part in zip(paths, parts, strict=True):
        (folder / path).write_bytes(part)
    whole = {
        "format": kind,
        "generatedBy": "2.8.0",
        "modelTopology": topology,
        "weightsManifest": [{"paths": paths, "weights": stated}],
    }
    (folder / "model.json").write_text(json.dumps(whole))


def _networks() -> Iterator[tuple[str, Any]]:
    """Small networks of Keras, trained for one step, so that their optimizers have a state."""
    import keras

    layers = keras.layers
    picture = keras.Input((6, 6, 2), name="picture")
    x = layers.Conv2D(3, 3, padding="same", name="conv")(picture)
    x = layers.BatchNormalization(name="norm")(x)
    base = keras.Model(picture, layers.Add(name="added")([x, layers.ReLU(name="relu")(x)]), name="base")
    outer = keras.Input((6, 6, 2), name="outer")
    x = layers.GlobalAveragePooling2D(name="pooled")(base(outer))
    yield "nested", _trained(keras.Model(outer, layers.Dense(2, name="top")(x), name="nested"))
    chain = [keras.Input((4,)), layers.Dense(3, "relu", name="low"), layers.Dropout(0.1), layers.Dense(2, name="high")]
    yield "chain", _trained(keras.Sequential(chain, name="chain"))
    words = keras.Input((5,), name="words")
    x = layers.Embedding(7, 3, name="embedded")(words)
    x = layers.Bidirectional(layers.LSTM(2), name="both")(x)
    yield "recurrent", keras.Model(words, layers.Dense(2, name="top")(x), name="recurrent")


def _trained(model: Any) -> Any:
    # One step is not worth compiling.
    model.compile("adam", "mse", run_eagerly=True)
    shape = (2, *model.input_shape[1:])
    model.fit(np.ones(shape, "f4"), np.ones((2, 2), "f4"), verbose=0)
    return model


def _saved(folder: Path, name: str, save: Any) -> Made:
    import warnings

    made: dict[str, str] = {}
    for key, model in _networks():
        (folder / key).mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save(model, folder / key / name)
        made[key] = name
    return made


def _checkpoint(folder: Path, version: int, parted: bool = False) -> Made:
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", [None, 4], "x")
        cut = v1.fixed_size_partitioner(2) if parted else None
        kernel = v1.get_variable("dense/kernel", [4, 3], partitioner=cut, use_resource=False)
        bias = v1.get_variable("dense/bias", [3], use_resource=False)
        loss = tf.reduce_mean(tf.square(tf.nn.relu(x @ tf.convert_to_tensor(kernel) + bias)), name="loss")
        train = v1.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
        v1.Variable([[b"", b"a" * 30]], name="words", use_resource=False)
        session.run(v1.global_variables_initializer())
        session.run(train, {x: np.ones((2, 4), "f4")})
        folder.mkdir()
        v1.train.Saver(write_version=version).save(session, str(folder / "model.ckpt"))
    (folder / "checkpoint").unlink()
    return {folder.name: "model.ckpt"}


def _module() -> Any:
    import torch

    return torch.nn.Sequential(
        OrderedDict(conv=torch.nn.Conv2d(2, 3, 3), norm=torch.nn.BatchNorm2d(3), relu=torch.nn.ReLU())
    )


def _torch_saved(folder: Path, settings: dict[str, Any]) -> Made:
    import torch

    module = _module()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2, 5, 5)).sum().backward()
    optimizer.step()
    values = {
        "state": module.state_dict(),
        "module": module,
        "checkpoint": {"epoch": 3, "state_dict": module.state_dict(), "optimizer": optimizer.state_dict()},
        "kinds": {
            "half": torch.ones(2, dtype=torch.bfloat16),
            "view": torch.arange(12).reshape(3, 4).t(),
            "n": torch.tensor(3),
        },
    }
    for key, value in values.items():
        (folder / key).mkdir()
        torch.save(value, folder / key / "m.pt", **settings)
    return dict.fromkeys(values, "m.pt")


def _arrays() -> dict[str, Any]:
    return {
        "a": np.arange(12, dtype="f4").reshape(3, 4),
        "b": np.arange(3.0),
        "half": np.ones(2, "f2"),
        "n": np.array(3, "i8"),
        "none": np.zeros((0, 4), "f4"),
    }


def _object(value: Any) -> Any:
    held = np.empty((), object)
    held[()] = {"conv1": value, "conv2": {"weights": value["a"]}}
    return held


def _safetensors(tensors: Mapping[str, Any]) -> bytes:
    kinds = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    content = b""
    for name, value in tensors.items():
        place = [len(content), len(content) + value.nbytes]
        header[name] = {"dtype": kinds[value.dtype.name], "shape": list(value.shape), "data_offsets": place}
        content += value.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content
