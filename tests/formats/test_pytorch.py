"""PyTorch files against PyTorch itself: every value bit for bit, under the name of the state dict."""

import decimal
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.formats.inspection import inspect

torch = pytest.importorskip("torch")

LEGACY = {"_use_new_zipfile_serialization": False}
LAYOUTS = pytest.mark.parametrize("layout", [{}, LEGACY], ids=["zip", "legacy"])


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 3)
        self.norm = torch.nn.BatchNorm2d(3)
        self.register_buffer("scale", torch.ones(2))
        self.register_buffer("passing", torch.ones(2), persistent=False)

    def forward(self, x):
        return self.norm(self.conv(x))


@pytest.fixture
def saved(tmp_path):
    def give(value, **settings):
        torch.save(value, tmp_path / "m.pt", **settings)
        return tmp_path / "m.pt"

    return give


def _array(tensor):
    if tensor.dtype == torch.bfloat16:
        return tensor.detach().float().numpy()
    return tensor.detach().numpy()


def _assert_same(archive, expected):
    assert list(archive.tensors) == list(expected)
    for name, value in expected.items():
        entry = archive.tensors[name]
        assert entry.shape == tuple(value.shape), name
        assert entry.dtype == str(value.dtype).removeprefix("torch."), name
        found = entry.read()
        assert found.shape == entry.shape
        np.testing.assert_array_equal(found.astype("float32") if entry.dtype == "bfloat16" else found, _array(value))


@LAYOUTS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_state_dict(layout, protocol, saved):
    state = Block().state_dict()
    archive = formats.read(saved(state, pickle_protocol=protocol, **layout))
    assert archive.format == "pytorch"
    assert not archive.warnings
    _assert_same(archive, state)


@LAYOUTS
@pytest.mark.parametrize(
    "dtype",
    [
        *("float16", "float32", "float64", "bfloat16", "complex64", "complex128"),
        *("int8", "int16", "int32", "int64", "uint8", "bool"),
    ],
)
def test_every_type(layout, dtype, saved):
    tensor = (torch.arange(12).reshape(3, 4) % 5).to(getattr(torch, dtype))
    _assert_same(formats.read(saved({"w": tensor, "scalar": tensor[1, 2], "none": tensor[:0]}, **layout)), {
        "w": tensor, "scalar": tensor[1, 2], "none": tensor[:0]
    })  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "float8_e4m3fn", "float8_e5m2"])
def test_types_that_came_later(dtype, saved):
    tensor = torch.tensor([1.0, 2.0, 0.5]).to(getattr(torch, dtype))
    entry = formats.read(saved({"w": tensor})).tensors["w"]
    assert entry.dtype == dtype
    assert entry.read().astype("float32").tolist() == tensor.float().tolist()


@LAYOUTS
def test_views_share_a_storage(layout, saved):
    base = torch.arange(60.0).reshape(3, 4, 5)
    views = {
        "whole": base,
        "transposed": base.transpose(0, 2),
        "part": base[1, 1:, ::2],
        "column": base[:, 0, 3],
        "last": base[2, 3, 4],
        "repeated": base[0, 0, :1].expand(7, 5),
        "channels_last": base[None].contiguous(memory_format=torch.channels_last),
    }
    path = saved(views, **layout)
    _assert_same(formats.read(path), views)
    assert path.stat().st_size < 4000


@LAYOUTS
def test_a_state_dict_under_any_key_with_the_prefix_of_a_wrapper(layout, saved):
    wrapped = {f"module._orig_mod.{name}": value for name, value in Block().state_dict().items()}
    checkpoint = {"epoch": 7, "arch": "resnet", "model_state": wrapped, "best": torch.tensor(0.5), "args": {"lr": 0.1}}
    archive = formats.read(saved(checkpoint, **layout))
    assert (archive.metadata["key"], archive.metadata["prefix"]) == ("model_state", "module._orig_mod.")
    assert archive.metadata["values"] == {"epoch": 7, "arch": "resnet"}
    assert archive.warnings == (
        "single numbers beside the state dict were left out: best",
        "the prefix 'module._orig_mod.' was taken off the names",
    )
    _assert_same(archive, {name.removeprefix("module._orig_mod."): value for name, value in wrapped.items()})


def test_a_prefix_that_not_all_names_have_stays(saved):
    archive = formats.read(saved({"module.a": torch.ones(1), "b": torch.ones(1)}))
    assert list(archive.tensors) == ["module.a", "b"]


def test_several_sets_are_all_kept_and_told_apart(saved):
    path = saved(
        {"generator": {"w": torch.zeros(2)}, "averaged": {"w": torch.ones(2)}, "nested": {"a": {"w": torch.ones(3)}}}
    )
    archive = formats.read(path)
    assert list(archive.tensors) == ["generator/w", "averaged/w", "nested/a/w"]
    assert archive.warnings == (
        "the file holds 3 sets of tensors, 'generator', 'averaged', 'nested/a'; names begin with the set",
    )


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_the_state_of_an_optimizer_by_name(name, saved):
    model = Block()
    settings = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.25, **settings)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 2, 5, 5)).square().mean().backward()
        optimizer.step()
    archive = formats.read(saved({"model": model.state_dict(), "optimizer": optimizer.state_dict()}))
    _assert_same(archive, model.state_dict())
    assert archive.optimizer.class_name == {"Adam": "Adam or AdamW"}.get(name, name)
    assert archive.optimizer.config["lr"] == 0.25
    assert archive.optimizer.iterations == (None if name == "SGD" else 3)
    names = dict(model.named_parameters())
    expected = {
        (slot, parameter): value
        for (parameter, _), state in zip(names.items(), optimizer.state_dict()["state"].values(), strict=False)
        for slot, value in state.items()
        if slot != "step" and value is not None
    }
    found = {(item.slot, item.variable): item.tensor.read() for item in archive.optimizer.slots}
    # The buffer `scale` is no parameter and cannot be told from one by its name.
    if None in {variable for _, variable in found}:
        assert "the optimizer's parameters are known by number only" in archive.warnings
        return
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value.numpy())


def test_slots_are_named_where_all_shapes_agree(saved):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    archive = formats.read(saved({"model": model.state_dict(), "optimizer": optimizer.state_dict()}))
    slots = {(item.slot, item.variable): item.tensor.read() for item in archive.optimizer.slots}
    assert len(slots) == 12
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(slots["exp_avg", name], optimizer.state[parameter]["exp_avg"].numpy())


@LAYOUTS
@pytest.mark.filterwarnings("ignore")
def test_a_pickled_module_gives_its_tensors_and_runs_nothing(layout, saved):
    model = torch.nn.Sequential(OrderedDict(first=Block(), second=torch.nn.Linear(3, 2, bias=False)))
    archive = formats.read(saved(model, **layout))
    _assert_same(archive, model.state_dict())
    assert archive.metadata["modules"]["first.conv"] == "torch.nn.modules.conv.Conv2d"
    own = f"{Block.__module__}.Block"
    assert archive.metadata["modules"]["first"] == own
    assert archive.warnings == (f"the file names code, which was not run: {own}",)


def test_a_parameter_by_itself_and_lists_of_tensors(saved):
    parameter = torch.nn.Parameter(torch.arange(3.0))
    _assert_same(formats.read(saved({"w": parameter})), {"w": parameter})
    _assert_same(formats.read(saved([parameter, torch.ones(2)])), {"0": parameter, "1": torch.ones(2)})


def test_tensors_without_plain_values_are_left_out_by_name(saved):
    archive = formats.read(
        saved({"w": torch.ones(2), "sparse": torch.eye(3).to_sparse(), "meta": torch.ones(2, device="meta")})
    )
    assert list(archive.tensors) == ["w"]
    assert archive.warnings == (
        "'sparse' is a sparse tensor and was left out",
        "'meta' is a tensor without values (meta) and was left out",
    )


def test_a_file_without_tensors_is_refused(saved):
    with pytest.raises(SourceError, match="expected tensors of a network, found epoch, note"):
        formats.read(saved({"epoch": 3, "note": "x"}))


def test_weights_have_no_graph(saved):
    archive = formats.read(saved({"w": torch.ones(2)}))
    with pytest.raises(SourceError, match="holds weights but no architecture; say which with --architecture"):
        formats.graph(archive)


def test_a_big_endian_file(tmp_path, saved):
    values = torch.arange(5, dtype=torch.float32)
    packed = saved({"w": values})
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(tmp_path / "big.pt", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("byteorder"):
                content = b"big"
            elif "/data/" in name:
                content = values.numpy().astype(">f4").tobytes()
            new.writestr(name, content)
    _assert_same(formats.read(tmp_path / "big.pt"), {"w": values})
    assert torch.load(tmp_path / "big.pt", weights_only=True)["w"].tolist() == values.tolist()


def test_a_file_without_checksums_of_its_storages_is_read_as_it_is_checked(saved):
    path = saved({"w": torch.arange(100.0)})
    content = bytearray(path.read_bytes())
    place = content.index(np.arange(100, dtype="float32").tobytes())
    content[place + 9] ^= 1
    path.write_bytes(content)
    tensor = formats.read(path).tensors["w"]
    with pytest.raises(
        CorruptFileError, match=r"was altered: the checksum of '.*/data/0' is wrong; get the file again"
    ):
        tensor.read()


@pytest.fixture
def no_checksums():
    torch.serialization.set_crc32_options(False)
    yield
    torch.serialization.set_crc32_options(True)


@pytest.mark.usefixtures("no_checksums")
def test_a_file_written_without_checksums_is_read_with_a_warning(saved):
    archive = formats.read(saved({"w": torch.arange(3.0)}))
    assert archive.warnings == (
        "the file was written without checksums: whether its values were altered cannot be told",
    )
    assert archive.tensors["w"].read().tolist() == [0, 1, 2]


def _tar(path, tensors):
    """A file as PyTorch 0.1 wrote it: every tensor on a storage of its own."""

    def numbers(values):
        return b"".join(struct.pack("<q", value) for value in values)

    class Named:
        def __init__(self, name):
            self.name = name

        def __reduce_ex__(self, protocol):
            return self.name

    def names(value):
        # Stand-ins for the classes of that time, which pickle writes by name.
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, 2)
        pickler.persistent_id = lambda item: None
        pickler.dump(value)
        return buffer.getvalue()

    storages, heads = [names(len(tensors))], [names(len(tensors))]
    for number, tensor in enumerate(tensors.values()):
        array = tensor.numpy()
        flat = np.ascontiguousarray(array)
        head = b"\x80\x02(K" + bytes([number]) + b"X\x03\0\0\0cpuctorch\nFloatStorage\nt."
        storages.append(head + struct.pack("<q", flat.size) + flat.tobytes())
        about = b"\x80\x02(K" + bytes([100 + number]) + b"K" + bytes([number]) + b"ctorch\nFloatTensor\nt."
        strides = [size // 4 for size in flat.strides]
        heads.append(about + struct.pack("<ii", flat.ndim, 0) + numbers(flat.shape) + numbers(strides) + numbers([0]))
    storages.append(names([]))
    main = b"\x80\x02}("
    for number, name in enumerate(tensors):
        key = str(100 + number).encode()
        main += b"X" + struct.pack("<I", len(name)) + name.encode() + b"X" + struct.pack("<I", len(key)) + key + b"Q"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (
            ("sys_info", names({})),
            ("pickle", main + b"u."),
            ("tensors", b"".join(heads)),
            ("storages", b"".join(storages)),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.filterwarnings("ignore")
def test_the_tar_file_of_the_first_pytorch(tmp_path):
    tensors = {"conv.weight": torch.randn(2, 3, 4), "conv.bias": torch.randn(2)}
    path = _tar(tmp_path / "old.pth", tensors)
    reference = torch.load(path, weights_only=False)
    assert list(reference) == list(tensors)
    _assert_same(formats.read(path), reference)
    content = path.read_bytes()
    for length in range(0, len(content.rstrip(b"\0")), 512):
        path.write_bytes(content[:length])
        with pytest.raises((CorruptFileError, SourceError)):
            formats.read(path)


@LAYOUTS
def test_a_truncated_file_is_refused_at_every_place(layout, saved, tmp_path):
    content = saved({"a": torch.arange(40.0), "b": {"c": torch.ones(3)}}, **layout).read_bytes()
    cut = tmp_path / "cut.pt"
    for length in range(0, len(content), 7):
        cut.write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"cut\.pt") as caught:
            formats.read(cut)
        assert "\n" not in str(caught.value)


@LAYOUTS
def test_an_altered_file_is_refused_or_gives_only_our_own_errors(layout, saved, tmp_path):
    content = saved({"a": torch.arange(40.0), "b": torch.ones(3)}, **layout).read_bytes()
    altered, refused = tmp_path / "altered.pt", 0
    for place in range(0, len(content), 5):
        altered.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        try:
            for tensor in formats.read(altered).tensors.values():
                tensor.read()
        except RegraftError:
            refused += 1
    assert refused > 20


class _Reduced:
    def __init__(self, *made):
        self.made = made

    def __reduce__(self):
        return self.made


@LAYOUTS
@pytest.mark.filterwarnings("ignore")
def test_code_is_refused_by_name(layout, saved, tmp_path):
    mark = tmp_path / "mark"
    attack = _Reduced(os.system, (f"touch {mark}",))
    for value in ({"w": torch.ones(2), "x": attack}, [attack], {"model": torch.nn.Linear(2, 2), "x": attack}):
        with pytest.raises(SourceError, match=rf"asks to run '{os.name}.*system', which was not done"):
            formats.read(saved(value, **layout))
    assert not mark.exists()


@LAYOUTS
def test_classes_that_belong_to_no_module_are_refused_by_name(layout, saved):
    path = saved({"w": torch.ones(2), "x": decimal.Decimal(1)}, **layout)
    with pytest.raises(SourceError, match=r"asks to run 'decimal.Decimal', which was not done"):
        formats.read(path)


def _repacked(path, target, change):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            change(new, name, old.read(name))
    return target


def test_members_that_lead_out_of_the_archive_are_refused_by_name(saved, tmp_path):
    path = saved({"w": torch.ones(2)})

    def change(new, name, content):
        new.writestr(name, content)
        if name.endswith("/version"):
            new.writestr("m/../evil", b"x")

    with pytest.raises(CorruptFileError, match=r"holds 'm/../evil', which leads out of the archive"):
        formats.read(_repacked(path, tmp_path / "slip.pt", change))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_are_there_twice_are_refused_by_name(saved, tmp_path):
    path = saved({"w": torch.ones(2)})

    def change(new, name, content):
        new.writestr(name, content)
        if name.endswith("/data/0"):
            new.writestr(name, b"y" * len(content))

    with pytest.raises(CorruptFileError, match=r"holds 'm/data/0' twice"):
        formats.read(_repacked(path, tmp_path / "twice.pt", change))


def test_a_decompression_bomb_is_refused_by_name(saved, tmp_path):
    path = saved({"w": torch.ones(2)})

    def change(new, name, content):
        if name.endswith("/data/0"):
            new.writestr(name, b"\0" * (40 << 20), zipfile.ZIP_DEFLATED)
        else:
            new.writestr(name, content)

    with pytest.raises(CorruptFileError, match=r"'m/data/0' claims 41943040 bytes, \d+ are stored"):
        formats.read(_repacked(path, tmp_path / "bomb.pt", change))


def test_a_tensor_beyond_its_storage_is_refused_by_name(saved, tmp_path):
    path = saved({"w": torch.ones(200)})
    for old, new in ((b"K\xc8\x85", b"K\xff\x85"), (b"QK\x00K", b"QK\x40K")):

        def change(archive, name, content, old=old, new=new):
            if name.endswith("data.pkl"):
                assert old in content
                content = content.replace(old, new)
            archive.writestr(name, content)

        with pytest.raises(CorruptFileError, match=r"tensor 'w' of shape \(\d+,\) and type float32 reaches to byte"):
            formats.read(_repacked(path, tmp_path / "beyond.pt", change))


def test_endless_repetition_is_refused(saved):
    huge = torch.ones(1).expand(1 << 20, 1 << 20)
    with pytest.raises(CorruptFileError, match=r"'w' of shape \(1048576, 1048576\) and type float32 reaches to byte"):
        formats.read(saved({"w": huge}))


def test_containers_in_themselves_and_bombs_of_containers_are_refused(saved):
    ring = {"w": torch.ones(1)}
    ring["ring"] = ring
    with pytest.raises(SourceError, match="nested more than 100 deep"):
        formats.read(saved(ring))
    bomb = [torch.ones(1)]
    for _ in range(40):
        bomb = [bomb, bomb]
    with pytest.raises(SourceError, match="more than 500000 of them"):
        formats.read(saved(bomb))


def test_a_large_file_lists_without_its_values(saved):
    import tracemalloc

    path = saved({f"w{number}": torch.zeros(1 << 22) for number in range(4)})
    tracemalloc.start()
    found = inspect(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.parameters == 1 << 24
    assert peak < 1 << 20


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "tensors"),
    [
        ("pytorch_resnet_cifar10/resnet20-12fca82f.th", 97),
        ("mtcnn_pytorch/pnet.pt", 13),
        ("mtcnn_pytorch/rnet.pt", 16),
        ("mtcnn_pytorch/onet.pt", 21),
        ("semg_m5_pt_onnx_tflite_savedmodel/pretrain_model/M5_recover.pt", 8),
        ("semg_m5_pt_onnx_tflite_savedmodel/pretrain_model/M5_Param@2.85k_MAC@270.06KMac_Acc@95.946.pt", 8),
    ],
)
def test_real_files(name, tensors, shared_folder):
    path = shared_folder / "nets" / name
    archive = formats.read(path)
    reference = torch.load(path, weights_only=True, map_location="cpu")
    state = reference.get("state_dict", reference)
    _assert_same(archive, {key.removeprefix("module."): value for key, value in state.items()})
    assert len(archive.tensors) == tensors


@pytest.mark.shared
def test_the_checkpoint_of_resnet(shared_folder):
    found = inspect(shared_folder / "nets/pytorch_resnet_cifar10/resnet20-12fca82f.th")
    assert (found.metadata["key"], found.metadata["prefix"]) == ("state_dict", "module.")
    assert found.metadata["values"]["best_prec1"] == pytest.approx(91.78, abs=0.005)
    assert "layer1.0.conv1" in {layer.name for layer in found.layers}
    assert found.parameters == 271_098


@pytest.mark.shared
def test_pytorch_and_onnx_hold_the_same_network(shared_folder):
    folder = shared_folder / "nets/semg_m5_pt_onnx_tflite_savedmodel/pretrain_model"
    left, right = (
        formats.read(folder / "M5_recover.pt").tensors,
        formats.read(folder / "onnx_model/M5_recover.onnx").tensors,
    )
    for name, tensor in left.items():
        np.testing.assert_array_equal(tensor.read(), right[name].read(), err_msg=name)
