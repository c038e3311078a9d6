"""Alterations of HDF5 files: by the library, which makes valid files that are wrong, or beside its signatures."""

import io
import re
from random import Random
from typing import Any

import h5py
import numpy as np

from fuzz.blind import altered as blind
from fuzz.blind import number
from fuzz.texts import json_altered

_SIGNATURES = re.compile(rb"TREE|SNOD|HEAP|GCOL|OHDR|OCHK|FRHP|FHDB|FHIB|BTHD|BTLF|BTIN|FSHD|FSSE|\x89HDF\r\n\x1a\n")


def altered(content: bytes, random: Random, other: bytes) -> bytes:
    """An HDF5 file with an alteration of an object, an attribute or of the bytes that describe them."""
    if random.random() < 0.55:
        return _beside_a_signature(content, random)
    try:
        return _objects(content, random)
    except Exception:
        # The file was altered before, or cannot be altered this way.
        return blind(content, random, other)


def _beside_a_signature(content: bytes, random: Random) -> bytes:
    places = [found.start() for found in _SIGNATURES.finditer(content)]
    out = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4))):
        start = random.choice(places) if places else 0
        place = min(start + random.choice((random.randrange(40), random.randrange(600))), len(out) - 8)
        if place < 0:
            break
        width = random.choice((1, 1, 2, 4, 8))
        now = int.from_bytes(out[place : place + width], "little")
        new = number(random, width, now)
        if random.random() < 0.2:
            # Addresses of other structures: loops and overlaps.
            width, new = 8, random.choice(places) if places else 0
        out[place : place + width] = new.to_bytes(width, "little")
    return bytes(out)


def _objects(content: bytes, random: Random) -> bytes:
    file = io.BytesIO(content)
    with h5py.File(file, "r+") as opened:
        names: list[str] = []
        opened.visit(names.append)
        for _ in range(random.choice((1, 1, 2))):
            name = random.choice(["/", *names])
            if opened[name].attrs and random.random() < 0.4:
                _attribute(opened[name].attrs, random)
            elif name != "/":
                _object(opened, f"/{name}", random, names)
    return file.getvalue()


def _attribute(attributes: Any, random: Random) -> None:
    name = random.choice(list(attributes))
    now, way = attributes[name], random.randrange(9)
    if way == 0:
        del attributes[name]
    elif way == 1:
        attributes[name] = random.choice(
            (0, 1.5, "", b"\xff\xfe", "text", np.zeros(3), h5py.Empty("f4"), np.zeros((0,)))
        )
    elif way == 2:
        attributes[random.choice(("weight_names", "layer_names", "model_config", "name", "keras_version"))] = now
    elif isinstance(now, (str, bytes)):
        text = now.encode() if isinstance(now, str) else now
        attributes[name] = np.bytes_(
            json_altered(text, random, text) if text[:1] == b"{" else blind(text, random, text)
        )
    elif isinstance(now, np.ndarray) and now.size:
        items = list(now)
        random.shuffle(items)
        attributes[name] = items[: random.randrange(1, len(items) + 1)] + items[: random.randrange(2)]
    else:
        attributes[name] = np.array([now, now])


def _object(file: Any, name: str, random: Random, names: list[str]) -> None:
    way = random.randrange(9)
    now = file[name]
    if way == 0:
        del file[name]
    elif way == 1:
        file.move(name, name + random.choice(("x", "/inner", ":0")))
    elif way == 2:
        # A hard link to what is above it: the tree has no end.
        file[f"{name}/again" if isinstance(now, h5py.Group) else f"{name}again"] = file[random.choice(["/", *names])]
    elif way == 3:
        file[f"{name}link"] = random.choice((h5py.SoftLink("/"), h5py.SoftLink(name), h5py.ExternalLink("o.h5", "/")))
    elif isinstance(now, h5py.Dataset):
        _dataset(file, name, now, random)
    else:
        del file[name]
        file[name] = random.choice((np.zeros(2), 1.0, "text"))


def _dataset(file: Any, name: str, now: Any, random: Random) -> None:
    shape = now.shape or ()
    del file[name]
    way = random.randrange(9)
    if way == 0:
        file.create_dataset(name, (1 << random.randrange(10, 40), 7), "f4", chunks=(1 << 10, 7), compression="gzip")
    elif way == 1:
        file[name] = random.choice((h5py.Empty("f4"), "text", np.zeros(shape, "S4"), np.zeros(2, [("a", "i4")])))
    elif way == 2:
        file.create_dataset(name, shape, "f4", external=[("elsewhere.bin", 0, h5py.h5f.UNLIMITED)])
    elif way == 3:
        layout = h5py.VirtualLayout(shape or (1,), "f4")
        file.create_virtual_dataset(name, layout)
    elif way == 4:
        file.create_group(name)
    elif way == 5:
        file.create_dataset(name, (*shape, 0), "f4")
    elif way == 6:
        file.create_dataset(
            name, (3, *shape) if np.prod(shape) < 1 << 16 else (3,), random.choice(("f2", "i8", "c8", "?"))
        )
    elif way == 7:
        file.create_dataset(name, (2,), h5py.vlen_dtype(np.dtype("i4")))
    else:
        file.create_dataset(name, shape[::-1] or (2,), ">f8", data=np.ones(shape[::-1] or (2,)))
