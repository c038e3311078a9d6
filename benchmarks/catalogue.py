"""The catalogue with 10,000 models: adding, listing, searching; 20 who write at once; 50 who are killed.

Models have the layers of a MobileNet, most of them shared with others as those of fine-tuned siblings are, and cards
with words of their own. Everything is in a folder on this machine's disk. A search is asked of a catalogue that is
open, by one to three words; the first listing of a process that has no index yet is measured too. Writers are
processes; a killed one is killed at a random moment, and what it had said to be in must be in, whole.
"""

import datetime as dt
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.frame import ROOT, Bar, Result, Settings, Table
from regraft.catalogue import Filters, open_catalogue
from regraft.catalogue.verifying import Verified, verify
from regraft.core import safetensors
from regraft.core.card import Architecture, Card, DataFacts, LayerFacts, TensorFacts, digest_of
from regraft.core.input_spec import InputSpec
from regraft.core.records import CutPoint

NAME = "catalogue"

MODELS, SEARCHES, WRITERS, EACH, KILLS = 10_000, 300, 20, 20, 50
# Of a MobileNet's layers with weights; of these, so many are a model's own.
_LAYERS, _OWN = 54, 2
_LIMIT = 0.050
_WORDS = (
    *("daisy", "rose", "tulip", "sunflower", "dandelion", "zero", "one", "two", "three", "cat", "dog", "horse", "ship"),
    *("truck", "happy", "sad", "angry", "stop", "yield", "left", "right", "spam", "ham", "iris", "setosa", "glass"),
    *("benign", "malignant", "oak", "birch", "maple", "crack", "scratch", "dent", "cloud", "rain", "snow", "wheat"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; seconds, unless said otherwise.

    Attributes:
        models: that were added.
        added: by each of them.
        first_list: a listing by a process that has no index yet.
        list: of all.
        searches: of each.
        written: models by 20 who wrote at once, of those that they were to write.
        writing: all of that.
        said: models that killed writers had said to be in.
        kills: how many were killed.
        lost: of what they had said, how many were not in.
        verified: the catalogue afterwards.
        verifying: reading all of it.
        bytes: of the folder.
    """

    models: int
    added: tuple[float, ...]
    first_list: float
    list: float
    searches: tuple[float, ...]
    written: int
    writing: float
    said: int
    kills: int
    lost: int
    verified: Verified
    verifying: float
    bytes: int


def run(settings: Settings) -> Iterator[Result]:
    """Fill a catalogue, ask it, write to it at once, kill writers, verify."""
    models = settings.per_class or MODELS
    kills = min(settings.kills, KILLS) if settings.per_class is None else min(settings.kills, 2)
    with tempfile.TemporaryDirectory() as place:
        yield summarise(measured(Path(place), models, kills), settings)


def summarise(found: Figures, settings: Settings) -> Result:
    """The bars, and the figures beside them."""
    slowest = max(found.searches)
    wanted = WRITERS * EACH
    rows = (
        ("models", f"{found.models:,}"),
        ("adding one, median", f"{1000 * statistics.median(found.added):.1f} ms"),
        ("listing all", f"{1000 * found.list:.0f} ms"),
        ("listing all, where there is no index yet", f"{found.first_list:.1f} s"),
        ("a search, median", f"{1000 * statistics.median(found.searches):.1f} ms"),
        ("a search, slowest", f"{1000 * slowest:.1f} ms"),
        (f"{WRITERS} writers, {EACH} models each", f"{found.writing:.1f} s"),
        ("models that killed writers had said to be in", str(found.said)),
        ("reading and comparing everything", f"{found.verifying:.1f} s"),
        ("folder", f"{found.bytes / 1e6:.0f} MB"),
    )
    bars = (
        Bar("a search takes under 50 ms", f"{1000 * slowest:.1f} ms at most", slowest < _LIMIT),
        Bar(f"{WRITERS} writers at once lose nothing", f"{found.written} of {wanted}", found.written == wanted),
        Bar(
            f"after {found.kills} kills all that was said to be in is in, and sound",
            f"{found.lost} lost, {len(found.verified.damage)} damaged",
            found.lost == 0 and found.verified.holds and not found.verified.damage,
        ),
    )
    measurements = ({"added": found.added, "searches": found.searches},)
    return Result(
        NAME, str(__doc__), (Table("The catalogue", ("", "found"), rows),), measurements, bars, settings=settings
    )


def measured(place: Path, models: int, kills: int, seed: int = 0) -> Figures:
    """All figures, of a catalogue that is made below this folder."""
    os.environ["REGRAFT_CACHE"] = str(place / "cache")
    zoo, draws = place / "zoo", random.Random(seed)
    catalogue = open_catalogue(zoo)
    added = [
        _timed(lambda number=number: catalogue.add(*made(f"model-{number:05}", number))) for number in range(models)
    ]
    os.environ["REGRAFT_CACHE"] = str(place / "another cache")
    first_list = _timed(lambda: open_catalogue(zoo).search())
    catalogue = open_catalogue(zoo)
    catalogue.search()
    listing = _timed(catalogue.search)
    asked = [" ".join(draws.sample(_WORDS, draws.randint(1, 3)))[:-1] for _ in range(SEARCHES)]
    searches = [_timed(lambda text=text: catalogue.search(text, limit=50)) for text in asked]
    before = len(catalogue.search("", Filters(versions=True)))
    writing = _timed(lambda: _written_at_once(zoo))
    written = len(catalogue.search("", Filters(versions=True))) - before
    said = [address for number in range(kills) for address in _killed(zoo, 1000 + number, draws)]
    there = {entry.address for entry in catalogue.search("", Filters(versions=True))}
    started = time.perf_counter()
    verified = verify(catalogue)
    return Figures(
        models=models,
        added=tuple(added),
        first_list=first_list,
        list=listing,
        searches=tuple(searches),
        written=written,
        writing=writing,
        said=len(said),
        kills=kills,
        lost=len(set(said) - there),
        verified=verified,
        verifying=time.perf_counter() - started,
        bytes=sum(path.stat().st_size for path in zoo.rglob("*") if path.is_file()),
    )


def made(name: str, number: int) -> tuple[Card, dict[str, bytes]]:
    """A model with layers that it shares with others, and some that it has for itself."""
    draws = random.Random(number)
    config = json.dumps({"class_name": "Functional", "kind": number % 20}).encode()
    parts = {_sha256(config): config}
    layers: list[LayerFacts] = []
    tensors: list[TensorFacts] = []
    for at in range(_LAYERS):
        # One of twenty trunks below, and a head and a block of its own.
        drawn = np.random.default_rng((at, number % 20) if at < _LAYERS - _OWN else (at, 1_000_000 + number))
        kernel = drawn.normal(size=(3, 3, 4)).astype(np.float32)
        content = safetensors.to_bytes({"kernel": kernel})
        parts[_sha256(content)] = content
        layer = f"conv_pw_{at}"
        layers.append(
            LayerFacts(name=layer, type="Conv2D", parameters=kernel.size, digest=_sha256(content), bytes=len(content))
        )
        digest = _sha256(safetensors.element_bytes(kernel))
        tensors.append(
            TensorFacts(name=f"{layer}/kernel", shape=kernel.shape, dtype="float32", digest=digest, layer=layer)
        )
    card = Card(
        name=name,
        kind="run",
        digest=digest_of(tensors),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        summary=f"{' and '.join(draws.sample(_WORDS, 2))} by a trunk of kind {number % 20}",
        classes=tuple(draws.sample(_WORDS, 8)),
        tags=tuple(draws.sample(_WORDS, 2)),
        inputs=InputSpec((224, 224, 3)),
        architecture=Architecture(
            name="mobilenet",
            layers=tuple(layers),
            parameters=sum(layer.parameters for layer in layers),
            bytes=sum(layer.bytes for layer in layers),
            digest=_sha256(config),
        ),
        cut_points=tuple(CutPoint(layer.name, at, (7, 7, 4), 36 * at) for at, layer in enumerate(layers)),
        tensors=tuple(tensors),
        data=DataFacts(digest=f"{number:032x}", examples={"train": 500 + number, "test": 100}),
    )
    return card, parts


def write(zoo: str, name: str, first: int, count: int) -> None:
    """Add models, and say the address of each once it is in: what a writing process does."""
    catalogue = open_catalogue(zoo)
    for number in range(first, first + count):
        print(catalogue.add(*made(name, number)).address, flush=True)


def _written_at_once(zoo: Path) -> None:
    writers = [_writer(zoo, "shared", 20_000 + at * EACH, EACH) for at in range(WRITERS)]
    for writer in writers:
        writer.communicate()


def _killed(zoo: Path, number: int, draws: random.Random) -> list[str]:
    """What a writer said to be in before it was killed."""
    writer = _writer(zoo, "killed", 100_000 * number, 100_000)
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(draws.uniform(0, 0.5))
    writer.send_signal(signal.SIGKILL)
    said = [first, *writer.stdout]
    writer.wait()
    # A line that is half there says nothing.
    return [line.strip() for line in said if line.endswith("\n")]


def _writer(zoo: Path, name: str, first: int, count: int) -> "subprocess.Popen[str]":
    call = f"from benchmarks import catalogue; catalogue.write({str(zoo)!r}, {name!r}, {first}, {count})"
    return subprocess.Popen([sys.executable, "-c", call], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
