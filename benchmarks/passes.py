"""What `activations` measures, each in a process of its own: `python -m benchmarks.passes NAME [--examples N]`."""

import argparse
import contextlib
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import guide, pictures
from benchmarks.frame import UnavailableError
from benchmarks.pictures import SIZE

Array = np.ndarray[Any, Any]
Found = dict[str, Any]

EPOCHS = 20
_DATA = "flowers5_227px"
_BATCH = 32
_COPIES = 8
_TOP = "conv_pw_12_relu"
# What the network was trained on.
_OWN = 224
# One example of the synthetic network, and what its trunk makes of it: 2 KB, as from a small network's last map.
_FEATURES, _WIDTH = 64, 512
_UNAVAILABLE = 2


def through() -> Found:
    """Seconds from undecoded files to the end of each epoch: the frozen trunk inside the training loop."""
    import keras

    keras.utils.set_random_seed(0)
    with _folder() as folder:
        paths, labels = _many(folder / "pictures")
        started = time.perf_counter()
        known = guide.decode(paths)
        model = guide.with_head(guide.trunk(pictures.trunk()), int(labels.max()) + 1)
        ends = _fitted(model, known, labels)
    return {"ends": [end - started for end in ends], "examples": len(known)}


def cached() -> Found:
    """The same head, optimizer and epochs, on activations that are computed once, with nothing in the cache."""
    import keras

    from regraft import data
    from regraft.activations.engines import ENGINES

    keras.utils.set_random_seed(0)
    engine = "openvino" if ENGINES["openvino"].available() else "keras"
    with _folder() as folder:
        _flowers(folder)
        _many(folder / "pictures")
        started = time.perf_counter()
        examples = data.open(str(folder / "pictures"))
        opened = _pretrained()
        rows = _computed(opened, examples, [_TOP], folder / "cache", engine=engine)[0]
        x = rows.gather(examples.ids)
        inputs = keras.Input(x.shape[1:])
        outputs = keras.layers.Dense(len(examples.classes))(keras.layers.Dropout(0.2)(inputs))
        ends = _fitted(keras.Model(inputs, outputs), x, examples.labels)
        return {"ends": [end - started for end in ends], "examples": len(x), "engine": engine}


def _many(folder: Path) -> tuple[list[Path], Array]:
    """The pictures eight times over, each with other pixels off: so many that what any number costs does not decide."""
    from PIL import Image

    given = pictures.pictures(_DATA)
    paths: list[Path] = []
    for label in given.classes:
        (folder / label).mkdir(parents=True)
    for index, (path, label) in enumerate(zip(given.paths, given.labels, strict=True)):
        with Image.open(path) as picture:
            for cut in range(_COPIES):
                paths.append(folder / given.classes[label] / f"{index}-{cut}.jpg")
                picture.crop((cut, cut, *picture.size)).convert("RGB").save(paths[-1], quality=92)
    return paths, np.repeat(np.asarray(given.labels), _COPIES)


def probing() -> Found:
    """Seconds of one plain pass, and of a pass that keeps every cut point, with a probe of each."""
    from regraft.training.probes import probe_many

    with _folder() as folder:
        examples, opened = _flowers(folder), _pretrained()
        names = _informative(opened)
        # TensorFlow's threads and the files are warm for both.
        _computed(opened, examples.take(range(64)), [names[-1]], folder / "warm")
        started = time.perf_counter()
        _computed(opened, examples, names[-1:], folder / "one")
        plain = time.perf_counter() - started
        started = time.perf_counter()
        kept = _computed(opened, examples, names, folder / "all")
        every = time.perf_counter() - started
        probe_many(
            {name: rows.gather(examples.ids) for name, rows in zip(names, kept, strict=True)},
            examples.labels,
            len(examples.classes),
        )
        probed = time.perf_counter() - started
    return {"plain": plain, "every": every, "probed": probed, "cut_points": len(names), "examples": len(examples)}


def engine() -> Found:
    """Pictures per second on preloaded arrays: `predict`, our engines that are installed, and OpenVINO by itself."""
    import keras

    from regraft.activations.engines import BATCH, ENGINES, Wanted, compile_trunk

    opened = _pretrained()
    raw = guide.decode(list(pictures.pictures(_DATA).paths)).astype(np.float32)
    raw = raw[: len(raw) // BATCH * BATCH]
    batches = [raw[start : start + BATCH] for start in range(0, len(raw), BATCH)]
    base = guide.trunk(pictures.trunk())
    inputs = keras.Input((SIZE, SIZE, 3))
    maps = base(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs), training=False)
    model: Any = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(maps))
    ways: dict[str, Callable[[], object]] = {
        "predict": lambda: model.predict(raw, batch_size=_BATCH, verbose=0),
    }

    def all_batches(run: Callable[[Array], object]) -> Callable[[], object]:
        return lambda: [run(batch) for batch in batches]

    for name, module in ENGINES.items():
        if module.available():
            run = compile_trunk(opened.model, opened.inputs, 255.0, [Wanted(_TOP, True)], engine=name)
            ways[name] = all_batches(run)
    if ENGINES["openvino"].available():
        ways |= _openvino_alone(model, batches)
    seconds = _in_turn(ways, 5)
    return {"rates": {name: [len(raw) / value for value in values] for name, values in seconds.items()}}


def _openvino_alone(model: Any, batches: Sequence[Array]) -> dict[str, Callable[[], object]]:
    """OpenVINO as its own pages show it: one request after the other, and as many at once as it likes."""
    import openvino
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False), autograph=False)
    signature = tf.TensorSpec(batches[0].shape, tf.float32)
    graph = openvino.convert_model(function.get_concrete_function(signature))
    core = openvino.Core()

    def compiled(hint: str) -> Any:
        return core.compile_model(graph, "CPU", {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32"})

    request = compiled("LATENCY").create_infer_request()
    queue = openvino.AsyncInferQueue(compiled("THROUGHPUT"))

    def at_once() -> None:
        for batch in batches:
            queue.start_async({0: batch})
        queue.wait_all()

    return {
        "raw openvino": lambda: [np.array(request.infer({0: batch})[0]) for batch in batches],
        "raw openvino, queued": at_once,
    }


def overlap() -> Found:
    """Seconds, of the clock and of the processors, of decoding and of computing alone, and of a pass that does both.

    At the network's own size, and at the small one of the other measurements, where decoding weighs more.
    """
    from regraft.activations.engines import BATCH, ENGINES, Run, Wanted, compile_trunk, in_turn
    from regraft.activations.loading import batches
    from regraft.activations.tasks import Block

    found: Found = {}
    busy: Found = {}
    with _folder() as folder:
        examples = _flowers(folder)
        everyone = np.arange(len(examples))
        engines = [name for name in ("keras", "openvino") if ENGINES[name].available()]
        for size, name in itertools.product((_OWN, SIZE), engines):
            opened = _pretrained(size)
            run = compile_trunk(opened.model, opened.inputs, 255.0, [Wanted(_TOP, True)], engine=name)

            def given(inputs: Any = opened.inputs) -> Iterator[Array]:
                for one in batches(examples, [Block(((0, everyone),))], [0], inputs, []):
                    if one is not None:
                        yield one[2]

            def computed(some: Iterable[Array], run: Run = run) -> list[list[Array]]:
                return list(in_turn(map(run.begin, some), lambda: run.ahead))

            kept = list(given())
            ways = {
                "decoding": lambda given=given: sum(map(len, given())),
                "computing": lambda computed=computed, kept=kept: computed(kept),
                "together": lambda computed=computed, given=given: computed(given()),
            }
            way = f"{name}, {size} px"
            found[way], busy[way] = _in_turn_and_busy(ways, 5)
    return {"seconds": found, "processor": busy, "examples": len(everyone), "batch": BATCH}


def writing() -> Found:
    """Seconds of a pass whose rows are written, and of one whose rows are dropped."""
    from regraft.activations.store import Store

    class Dropping(Store):
        def begin(self, key: str, about: Any, most: int) -> Any:
            return _Nowhere()

        def open(self, key: str) -> Any:
            return _Forgetting(super().open(key))

    with _folder() as folder:
        examples, opened = _flowers(folder), _pretrained()
        _computed(opened, examples.take(range(64)), [_TOP], folder / "warm")
        seconds: dict[str, list[float]] = {"written": [], "dropped": []}
        for turn in range(5):
            for way, kind in (("dropped", Dropping), ("written", Store)):
                started = time.perf_counter()
                _computed(opened, examples, [_TOP], folder / f"{way}-{turn}", kind=kind, whole=True)
                seconds[way].append(time.perf_counter() - started)
    return {"seconds": seconds}


def scale(examples: int) -> Found:
    """Seconds and memory of a pass over so many examples that a memory-mapped file holds, and of shuffled reading."""
    with _folder() as folder:
        data = _synthetic(folder, examples)
        before = _resident()
        with _watched() as memory:
            started = time.perf_counter()
            opened, found = _opened(data)
            computed = time.perf_counter()
            rows = _computed(opened, found, ["hidden"], folder / "cache", computes=examples)[0]
            read = time.perf_counter()
            order = np.random.default_rng(1).integers(0, examples, min(examples, 100_000))
            for start in range(0, len(order) - _BATCH, _BATCH):
                rows.gather([found.ids[index] for index in order[start : start + _BATCH]])
            done = time.perf_counter()
    return {
        "examples": examples,
        "seconds": {"open": computed - started, "compute": read - computed, "read": done - read},
        "before": before,
        "peak": memory[0],
        "anonymous": memory[1],
    }


def ten_more(examples: int) -> Found:
    """Seconds of a pass over so many examples, and of one over ten more."""
    with _folder() as folder:
        data = _synthetic(folder, examples + 10)
        opened, found = _opened(data)
        started = time.perf_counter()
        _computed(opened, found.take(range(examples)), ["hidden"], folder / "cache")
        first = time.perf_counter() - started
        started = time.perf_counter()
        _computed(opened, found, ["hidden"], folder / "cache", computes=10)
        return {"examples": examples, "first": first, "ten more": time.perf_counter() - started}


class _Nowhere:
    """A file that there is not."""

    def add(self, ids: Any, rows: Any) -> None:
        """Drop them."""

    finish = drop = lambda self: None


class _Forgetting:
    """Rows that are told of files and do not care."""

    def __init__(self, rows: Any) -> None:
        self.row_bytes, self.holds = rows.row_bytes, rows.holds

    def add(self, shard: Any) -> None:
        """Forget it."""


MEASUREMENTS: dict[str, Callable[..., Found]] = {
    measure.__name__: measure for measure in (through, cached, probing, engine, overlap, writing, scale, ten_more)
}


def _fitted(model: Any, x: Array, labels: Array) -> list[float]:
    """Train as the guide does, and tell when each epoch ended."""
    import keras

    ends: list[float] = []
    model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ended = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    model.fit(x, labels, batch_size=_BATCH, epochs=EPOCHS, verbose=0, callbacks=[ended])
    return ends


def _computed(
    opened: Any,
    examples: Any,
    names: Sequence[str],
    folder: Path,
    *,
    kind: Any = None,
    whole: bool = False,
    computes: int | None = None,
    engine: str = "keras",
) -> list[Any]:
    from regraft.activations.compute import compute
    from regraft.activations.engines import Wanted
    from regraft.activations.store import Store

    wanted = [Wanted(name, not whole) for name in names]
    store = (kind or Store)(folder)
    made = compute(opened.model, opened.inputs, examples, range(len(examples)), wanted, store, engine=engine)
    different = len(set(examples.ids)) if computes is None else computes
    expected = different * len(wanted)
    if made.computed != expected:
        raise RuntimeError(f"expected {expected} activations to be computed, found {made.computed}")
    return [made.rows[item] for item in wanted]


def _pretrained(size: int = SIZE) -> Any:
    from regraft.core.plan import Plan
    from regraft.recipes.running import open_for

    return open_for(Plan(str(pictures.trunk()), input_size=size), None)


def _informative(opened: Any) -> list[str]:
    from regraft.graph import flow
    from regraft.graph.linearity import is_linear

    return [call.name for call in flow.read(opened.model).separating() if not is_linear(call.operation)]


def _flowers(folder: Path) -> Any:
    from benchmarks.fit import ready
    from regraft import data

    ready()
    return data.open(str(pictures.shared() / "data" / _DATA))


def _synthetic(folder: Path, examples: int) -> Path:
    """Random features in a file, written in pieces."""
    path = folder / "x.npy"
    written = np.lib.format.open_memmap(path, "w+", np.float32, (examples, _FEATURES))
    random = np.random.default_rng(0)
    for start in range(0, examples, 10_000):
        written[start : start + 10_000] = random.random((len(written[start : start + 10_000]), _FEATURES), np.float32)
    written.flush()
    np.save(path.with_name("y.npy"), np.arange(examples) % 2)
    return path


def _opened(path: Path) -> tuple[Any, Any]:
    """A small network, and the examples in the file."""
    import keras

    import regraft
    from regraft import data

    keras.utils.set_random_seed(0)
    inputs = keras.Input((_FEATURES,))
    hidden = keras.layers.Dense(_WIDTH, "relu", name="hidden")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(hidden))
    x, y = (np.load(path.with_name(name), mmap_mode="r") for name in ("x.npy", "y.npy"))
    return regraft.open(model), data.open((x, y))


def _in_turn(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in every round; one round before them is not timed."""
    return _in_turn_and_busy(ways, rounds)[0]


def _in_turn_and_busy(
    ways: Mapping[str, Callable[[], object]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """The same, and seconds of all processors together that this process took."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            started, begun = time.perf_counter(), time.process_time()
            way()
            if turn:
                seconds[name].append(time.perf_counter() - started)
                busy[name].append(time.process_time() - begun)
    return seconds, busy


def _resident() -> int:
    return _status()["VmRSS"]


def _status() -> dict[str, int]:
    """Bytes by the names of /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        raise UnavailableError("needs /proc/self/status, which only Linux has, to see what memory is taken") from None
    pairs = (line.split(":") for line in lines if line.endswith(" kB"))
    return {name: 1024 * int(value.split()[0]) for name, value in pairs}


@contextlib.contextmanager
def _watched() -> Generator[list[int]]:
    """While the block runs, the largest resident memory, and the largest of it that is not pages of files."""
    found, over = [0, 0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            status = _status()
            found[0] = max(found[0], status["VmRSS"])
            found[1] = max(found[1], status["RssAnon"])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
        yield Path(name)


def main() -> None:
    """Be the process of one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=MEASUREMENTS)
    parser.add_argument("--examples", type=int)
    asked = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        found = MEASUREMENTS[asked.name](*([asked.examples] if asked.examples else []))
    except UnavailableError as reason:
        print(reason, file=sys.stderr)
        sys.exit(_UNAVAILABLE)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
