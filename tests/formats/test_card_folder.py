"""A folder holds a model as it is: card, every part, byte for byte; what was altered is refused by name."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from regraft import formats
from regraft.core import card as cards
from regraft.core import safetensors
from regraft.core.card import Architecture, Card, LayerFacts, OptimizerFacts, TensorFacts, digest_of
from regraft.core.errors import CorruptFileError, RequestError
from regraft.formats import card_folder

README = "# A network\n"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def model(seed: int = 0, **said: object) -> tuple[Card, dict[str, bytes]]:
    """A card and its parts: types that NumPy has and has not, a scalar, nothing, layers inside of others, two alike."""
    random = np.random.default_rng(seed)
    layers = {
        "conv": {"kernel": random.normal(size=(3, 3, 2, 4)).astype("float32"), "bias": np.zeros(4, "float32")},
        "inner/norm": {"scale": random.normal(size=5).astype(ml_dtypes.bfloat16), "count": np.array(3, "int64")},
        "inner/empty": {"table": np.zeros((0, 7), "float16"), "on": np.array([True, False])},
        "twin": {"scale": np.ones(2, "float32")},
        "other/twin": {"scale": np.ones(2, "float32")},
    }
    config = json.dumps({"class_name": "Sequential"}).encode()
    parts = {sha(config): config}
    facts, tensors = [LayerFacts(name="input", type="InputLayer")], []
    for name, arrays in layers.items():
        content = safetensors.to_bytes(arrays)
        parts[sha(content)] = content
        count = sum(array.size for array in arrays.values())
        facts.append(LayerFacts(name=name, type="L", parameters=count, digest=sha(content), bytes=len(content)))
        tensors += [
            TensorFacts(
                name=f"{name}/{leaf}",
                shape=array.shape,
                dtype=array.dtype.name,
                digest=sha(safetensors.element_bytes(array)),
                layer=name,
            )
            for leaf, array in arrays.items()
        ]
    state = b"the state of an optimizer"
    parts[sha(state)] = state
    made = Card(
        name="net",
        version=3,
        digest=digest_of(tensors),
        created="2026-11-26T00:00:00Z",
        architecture=Architecture(
            name="net", layers=tuple(facts), parameters=1, bytes=sum(map(len, parts.values())), digest=sha(config)
        ),
        tensors=tuple(tensors),
        optimizer=OptimizerFacts(
            kinds=("adam",), slots=("momentum",), variables=1, steps=3, digest=sha(state), bytes=len(state)
        ),
    )
    return dataclasses.replace(made, **said), parts  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    card, parts = model()
    card_folder.write(tmp_path / "net", card, parts, README)
    return tmp_path / "net"


def test_what_comes_back_is_what_went_out(folder: Path) -> None:
    card, parts = model()
    again, found = card_folder.read(folder)
    assert again == card
    assert set(found) == set(parts)
    assert {digest: found[digest] for digest in found} == parts
    with pytest.raises(KeyError):
        found["0" * 64]


def test_files_are_those_that_hubs_know(tmp_path: Path) -> None:
    card, parts = model()
    names = card_folder.write(tmp_path / "new", card, parts, README)
    assert sorted(names) == sorted(path.name for path in (tmp_path / "new").iterdir())
    assert set(names) == {"README.md", "model.safetensors", "config.json", "regraft.json", "optimizer.npz"}
    content = (tmp_path / "new" / "model.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header.pop("__metadata__") == {"format": "keras"}
    assert set(header) == {tensor.name for tensor in card.tensors}
    begin, end = header["conv/kernel"]["data_offsets"]
    body = content[8 + int.from_bytes(content[:8], "little") :]
    kernel = np.frombuffer(body[begin:end], "<f4").reshape(header["conv/kernel"]["shape"])
    np.testing.assert_array_equal(kernel, np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32"))
    # What others read it with: our own reader of any safetensors.
    assert formats.read(tmp_path / "new" / "model.safetensors").tensors["conv/bias"].read().tolist() == [0.0] * 4


def test_a_card_without_an_optimizer_leaves_none_of_before(folder: Path) -> None:
    card, parts = model(optimizer=None)
    assert "optimizer.npz" not in card_folder.write(folder, card, parts, README)
    assert not (folder / "optimizer.npz").exists()
    assert card_folder.read(folder)[0] == card


def test_a_repository_with_a_readme_is_filled_and_its_own_files_stay(tmp_path: Path) -> None:
    (tmp_path / ".gitattributes").write_text("*.safetensors filter=lfs")
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("# mine")
    card_folder.write(tmp_path, *model(), README)
    assert (tmp_path / "README.md").read_text() == README
    assert (tmp_path / ".gitattributes").exists()


@pytest.mark.parametrize("name", ["config.json", "README.md"])
def test_files_of_others_are_not_overwritten(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(RequestError, match=rf"expected a new or empty folder, .* found '{name}' in '.*'; name another"):
        card_folder.write(tmp_path, *model(), README)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "{}"
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="expected a folder, found the file"):
        card_folder.write(tmp_path / "file", *model(), README)


def test_what_is_not_finished_has_no_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card, parts = model(summary="another")

    class Broken(Mapping[str, bytes]):
        def __getitem__(self, digest: str) -> bytes:
            raise CorruptFileError("a part is missing")

        def __iter__(self):
            return iter(parts)

        def __len__(self) -> int:
            return len(parts)

    with pytest.raises(CorruptFileError):
        card_folder.write(folder, card, Broken(), README)
    assert not card_folder.is_one(folder)


def test_an_altered_byte_is_told_with_its_layer(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    content[8 + int.from_bytes(content[:8], "little") + header["inner/norm/scale"]["data_offsets"][0]] ^= 1
    path.write_bytes(content)
    card, parts = card_folder.read(folder)
    bad = next(layer.digest for layer in card.architecture.layers if layer.name == "inner/norm")
    with pytest.raises(
        CorruptFileError, match=r"layer 'inner/norm' of 'model.safetensors' in '.*' is not what 'regraft"
    ):
        parts[bad]
    assert sum(_is_whole(parts, digest) for digest in parts) == len(parts) - 1


def _is_whole(parts: Mapping[str, bytes], digest: str) -> bool:
    try:
        parts[digest]
    except CorruptFileError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.safetensors", b"\x05\x00\x00\x00\x00\x00\x00\x00{}", "model.safetensors"),
        ("model.safetensors", None, "'model.safetensors' is missing in"),
        ("regraft.json", b"{", "is not the card of a model"),
        ("regraft.json", b'{"format": 99}', "is a card of format 99, and this version reads up to 1; upgrade"),
        ("regraft.json", None, "expected a folder with a card, 'regraft.json', found none in"),
    ],
)
def test_damage_is_told_when_the_folder_is_read(folder: Path, name: str, content: bytes | None, said: str) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises((CorruptFileError, RequestError), match=said):
        card_folder.read(folder)


@pytest.mark.parametrize("name", ["config.json", "optimizer.npz"])
def test_other_files_are_proven_when_they_are_asked_for(folder: Path, name: str) -> None:
    card, parts = card_folder.read(folder)
    assert card.optimizer is not None
    digest = card.architecture.digest if name == "config.json" else card.optimizer.digest
    (folder / name).write_bytes(b"x")
    with pytest.raises(CorruptFileError, match=f"'{name}' in '.*' is not what 'regraft.json' says: it was altered"):
        parts[digest]
    (folder / name).unlink()
    with pytest.raises(CorruptFileError, match=f"'{name}' is missing in"):
        parts[digest]


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(safetensors.to_bytes({"x/y": np.zeros(2, "float32")}))
    with pytest.raises(CorruptFileError, match=r"holds other tensors than 'regraft.json' says, such as 'conv/bias'"):
        card_folder.read(folder)


def test_a_card_that_lies_about_its_variables_is_refused(folder: Path) -> None:
    said = json.loads((folder / "regraft.json").read_text())
    bias = next(tensor for tensor in said["tensors"] if tensor["name"] == "conv/bias")
    bias["digest"] = "0" * 64
    (folder / "regraft.json").write_text(json.dumps(said))
    with pytest.raises(CorruptFileError, match="lists other variables than those of its digest: it was altered"):
        card_folder.read(folder)
    facts = tuple(cards.TensorFacts(**{**tensor, "shape": tuple(tensor["shape"])}) for tensor in said["tensors"])
    (folder / "regraft.json").write_text(json.dumps({**said, "digest": digest_of(facts)}))
    card, parts = card_folder.read(folder)
    with pytest.raises(CorruptFileError, match=r"'conv/bias' in '.*' is not what 'regraft.json' says"):
        parts[next(layer.digest for layer in card.architecture.layers if layer.name == "conv")]


def test_the_card_in_the_folder_is_the_catalogues_own_document(folder: Path) -> None:
    assert (folder / "regraft.json").read_text(encoding="utf-8") == cards.write(model()[0])
