"""TensorFlow.js: models of layers become Keras models with the same numbers; graphs give their tensors."""

import json

import keras
import numpy as np
import pytest

import regraft
from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats.inspection import inspect
from tests.formats.tfjs_files import stored

RANDOM = np.random.default_rng(0)


def written(folder, model, bits=None, shard=400, browser=False):
    """A model of Keras as TensorFlow.js's converter writes it.

    Args:
        folder: to write to.
        model: of Keras.
        bits: of quantised numbers: 8, 16, or "float16".
        shard: bytes in each shard.
        browser: whether to call things as a model that was made in a browser does.
    """
    stated, content = [], b""
    for layer in model.layers:
        for variable in layer.weights:
            values = np.asarray(variable.numpy(), "float32")
            own = variable.path.rpartition("/")[2]
            name = f"{layer.name}_Layer1/{own}" if browser else f"{layer.name}/{own}"
            about, numbers = stored(values, bits)
            stated.append({"name": name, "shape": list(values.shape), "dtype": "float32", **about})
            content += numbers.tobytes()
    parts = [content[start : start + shard] for start in range(0, len(content), shard)]
    paths = [f"group1-shard{number}of{len(parts)}.bin" for number in range(1, len(parts) + 1)]
    folder.mkdir(exist_ok=True)
    for path, part in zip(paths, parts, strict=True):
        (folder / path).write_bytes(part)
    topology = {"keras_version": "2.4.0", "backend": "tensorflow", "model_config": old_config(model)}
    if browser:
        topology = {**old_config(model), "keras_version": "tfjs-layers 1.7.4", "backend": "tensor_flow.js"}
    whole = {
        "format": "layers-model",
        "generatedBy": "keras v2.4.0",
        "modelTopology": topology,
        "weightsManifest": [{"paths": paths, "weights": stated}],
    }
    (folder / "model.json").write_text(json.dumps(whole))
    return folder


def old_config(model):
    """The configuration as Keras 2 wrote it."""
    layers = []
    for layer in model.layers:
        config = {
            key: value for key, value in layer.get_config().items() if isinstance(value, str | int | float | list)
        }
        config |= {key: list(value) for key, value in layer.get_config().items() if isinstance(value, tuple)}
        config["dtype"] = "float32"
        if not layers:
            config["batch_input_shape"] = [None, *model.input_shape[1:]]
        layers.append({"class_name": type(layer).__name__, "config": config})
    return {"class_name": "Sequential", "config": {"name": model.name, "layers": layers}}


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(6, 3, activation="relu", name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.MaxPooling2D(name="pool"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(5, activation="softmax", name="dense"),
        ]
    )
    for variable in model.variables:
        variable.assign(np.abs(RANDOM.normal(size=variable.shape)) + 0.1)
    return model


@pytest.mark.parametrize("browser", [False, True])
def test_a_model_of_layers_is_the_same_network(model, browser, tmp_path):
    folder = written(tmp_path / "js", model, browser=browser)
    opened = regraft.open(folder, preprocessing="raw")
    x = RANDOM.normal(size=(3, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(np.asarray(opened.model(x)), np.asarray(model(x)), rtol=0, atol=1e-6)
    assert len(opened.model.trainable_variables) == len(model.trainable_variables)
    assert set(regraft.variables(opened.model)) == {
        *(f"conv/{name}" for name in ("kernel", "bias")),
        *(f"norm/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
        *(f"dense/{name}" for name in ("kernel", "bias")),
    }
    assert not opened.report.missing
    assert not opened.report.unused


@pytest.mark.parametrize(("bits", "error"), [(8, 1 / 255), (16, 1 / 65535), ("float16", 1e-3)])
def test_quantised_numbers_are_what_they_stand_for(model, bits, error, tmp_path):
    folder = written(tmp_path / "js", model, bits)
    archive = formats.read(folder / "model.json")
    for layer in model.layers:
        for variable in layer.weights:
            values = np.asarray(variable.numpy())
            found = archive.tensors[f"{layer.name}/{variable.path.rpartition('/')[2]}"]
            assert (found.dtype, found.read().dtype) == ("float32", np.float32)
            # Half a step of the scale, or what eleven bits of a mantissa tell apart.
            reach = max(float(np.ptp(values)), 1e-6) if bits != "float16" else float(np.abs(values).max())
            np.testing.assert_allclose(found.read(), values, rtol=0, atol=0.51 * error * reach + 1e-6)
    assert regraft.open(folder, preprocessing="raw").model.output_shape == (None, 5)


def test_inspection_says_layers_and_tensors(model, tmp_path):
    found = inspect(written(tmp_path / "js", model))
    assert found.format == "tfjs"
    assert [layer.name for layer in found.layers][-5:] == ["conv", "norm", "pool", "flat", "dense"]
    assert found.parameters == model.count_params()


def test_a_conversion(model, tmp_path):
    done = regraft.convert(written(tmp_path / "js", model), tmp_path / "out.keras")
    assert (done.format, done.parameters) == ("tfjs", model.count_params())


def _changed(folder, change):
    file = folder / "model.json"
    whole = json.loads(file.read_text())
    change(whole["weightsManifest"][0])
    file.write_text(json.dumps(whole))
    return folder


def test_what_is_wrong_is_refused_by_name(model, tmp_path):
    def fresh():
        return written(tmp_path / "js", model)

    (tmp_path / "secret.bin").write_bytes(b"\0" * 400)
    with pytest.raises(SourceError, match=r"shard '\.\./secret.bin', which leads out of its folder"):
        formats.read(_changed(fresh(), lambda group: group["paths"].__setitem__(0, "../secret.bin")))
    with pytest.raises(SourceError, match=r"shard '/etc/hosts', which leads out of its folder"):
        formats.read(_changed(fresh(), lambda group: group["paths"].__setitem__(0, "/etc/hosts")))
    (tmp_path / "js" / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(SourceError, match="is a link that leads out of the folder"):
        formats.read(_changed(fresh(), lambda group: group["paths"].__setitem__(0, "link.bin")))
    with pytest.raises(SourceError, match=r"shard 'absent.bin', which is not there"):
        formats.read(_changed(fresh(), lambda group: group["paths"].__setitem__(0, "absent.bin")))
    with pytest.raises(CorruptFileError, match=r"states \d+ bytes of tensors, expected them in \d+ shards"):
        formats.read(_changed(fresh(), lambda group: group["weights"][0].__setitem__("shape", [1 << 40, 1 << 20])))
    with pytest.raises(SourceError, match="is of type string, expected one of float32"):
        formats.read(_changed(fresh(), lambda group: group["weights"][0].__setitem__("dtype", "string")))
    with pytest.raises(CorruptFileError):
        formats.read(_changed(fresh(), lambda group: group["weights"][0].__setitem__("shape", [-1, 3])))
    folder = fresh()
    shard = next(folder.glob("group1-shard1of*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(CorruptFileError, match="get the files again"):
        formats.read(folder)


def test_a_shard_that_changes_while_it_is_in_use(model, tmp_path):
    folder = written(tmp_path / "js", model)
    archive = formats.read(folder)
    shard = next(folder.glob("group1-shard1of*"))
    shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(CorruptFileError, match="was replaced while it was in use"):
        archive.tensors["conv/kernel"].read()


def test_cut_off_at_any_place(model, tmp_path):
    folder = written(tmp_path / "js", model)
    content = (folder / "model.json").read_bytes()
    for end in range(1, len(content), 97):
        (folder / "model.json").write_bytes(content[:end])
        with pytest.raises((SourceError, CorruptFileError)) as caught:
            formats.read(folder / "model.json")
        assert "\n" not in str(caught.value)
