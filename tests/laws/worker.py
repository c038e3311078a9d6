"""A small run, activations into a cache, then training; and three of it, each in a process of its own.

    python -m tests.laws.worker FOLDER

Two do the same at the same time, with the folder's `cache` between them; the third kills itself in the middle of its
third epoch, as `kill -9` would. They are forks of a process that has imported the framework and computed nothing. What
came out of the two lies as JSON beside the checkpoints `0.npz`, `1.npz` and `killed.npz`.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.activations.compute import compute
from regraft.activations.engines import Wanted
from regraft.activations.store import Store
from regraft.core import digest, plain
from regraft.core.input_spec import InputSpec
from regraft.core.phase import Phase, Rate
from regraft.data import open as open_data
from regraft.graph import names
from regraft.graph.digest import of_variables
from regraft.surgery.cut import cut
from regraft.surgery.graft import graft, set_head
from regraft.training.feeds import Feed
from regraft.training.loop import Trained, train
from tests.laws.networks import built, examples

Array = np.ndarray[Any, Any]

EXAMPLES, CLASSES, EPOCHS, BATCH = 40, 3, 5, 8
CUT = Wanted("second", pooled=False)
SPEC = Phase(
    rates=(Rate("head/.*", 1e-2), Rate(".*", 1e-3)),
    epochs=EPOCHS,
    batch_size=BATCH,
    weight_decay=0.01,
    feature_brightness=0.2,
    feature_noise=0.1,
)


def network() -> keras.Model:
    """The trunk ends at `second`; what learns has dropout in it, whose seed is another one in each process."""
    inputs = keras.Input((5,))
    x = built("perceptron").get_layer("first")(inputs)
    x = keras.layers.Dense(6, activation="tanh", name="second")(x)
    x = keras.layers.Dropout(0.4, name="dropped")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    model = keras.Model(inputs, keras.layers.Dense(4, name="third")(x), name="network")
    random = np.random.default_rng(0)
    for name, variable in names.variables(model).items():
        if "seed_generator" not in name:
            variable.assign(random.uniform(0.1, 1.0, variable.shape))
    return model


def activations(cache: Path) -> tuple[Array, Array]:
    """The rows at the cut, by way of the cache, and the labels."""
    data = open_data((np.asarray(examples("perceptron", EXAMPLES), "float32"), np.arange(EXAMPLES) % CLASSES))
    found = compute(network(), InputSpec((5,)), data, range(EXAMPLES), [CUT], Store(cache))
    return found.rows[CUT].gather(data.ids), data.labels


def trained(
    x: Array, y: Array, checkpoint: Path | None, stop_after: int | None = None, kill_in: int | None = None
) -> Trained:
    """The whole training, or as much of it as there is until the end that is asked for."""
    steps = -(-EXAMPLES // BATCH)
    fetched = 0

    def fetch(indices: Array, view: int) -> Array:
        nonlocal fetched
        fetched += len(indices) <= BATCH
        if kill_in is not None and fetched == (kill_in - 1) * steps + steps // 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return x[indices]

    branch = graft(cut(network(), CUT.cut_point)[1], CLASSES)
    set_head(branch, np.linspace(-1, 1, 4 * CLASSES, dtype="float32").reshape(4, CLASSES), np.zeros(CLASSES, "float32"))
    return train(
        branch,
        SPEC,
        Feed(fetch, y),
        Feed(lambda indices, view: x[indices], y),
        seed=5,
        checkpoint=checkpoint,
        stop_after=stop_after,
        save_every=0,
    )


def described(result: Trained) -> dict[str, Any]:
    """All of a result that must be the same each time."""
    history = [plain.to_plain(epoch) for epoch in result.history]
    return {
        "weights": of_variables(names.variables(result.model)),
        "history": [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in history],
        "best": result.best,
    }


def state(checkpoint: Path) -> dict[str, str]:
    """The digest of every array in a checkpoint: weights now and best, optimizer state."""
    with np.load(checkpoint) as archive:
        return {name: digest.of_array(archive[name]) for name in archive.files if name != "history"}


def main(folder: str) -> None:
    """All three, and an error where one of them ends in another way than it should."""
    shared, own = Path(folder) / "cache", Path(folder) / "own"
    runs = [(shared, "0.npz", None), (shared, "1.npz", None), (own, "killed.npz", 3)]
    processes = [_forked(cache, Path(folder) / name, kill_in) for cache, name, kill_in in runs]
    ends = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    if ends != [0, 0, -signal.SIGKILL]:
        sys.exit(f"the three processes ended with {ends}")


def _forked(cache: Path, checkpoint: Path, kill_in: int | None) -> int:
    """The number of a process that makes one run."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        _run(cache, checkpoint, kill_in)
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def _run(cache: Path, checkpoint: Path, kill_in: int | None) -> None:
    x, y = activations(cache)
    result = trained(x, y, checkpoint, kill_in=kill_in)
    said = {"activations": digest.of_array(x), "state": state(checkpoint), **described(result)}
    checkpoint.with_suffix(".json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
