"""What all tests share: where the real networks and data are, if they are here, and processes that die."""

import gc
import os
import random
import signal
import sys
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from tests.recipes.killing import Forking

# A machine under load is slow now and then; that is no failure of the code.
hypothesis.settings.register_profile("regraft", deadline=None)
hypothesis.settings.load_profile("regraft")

_NOT_ABOUT_SCRATCH = ("tests/recipes", "tests/cli", "tests/laws", "tests/docs", "tests/examples", "src")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep what is imported out of the garbage collector's way.

    It stays to the end and is half a million objects and more; looking through them again and again is up to a fifth of
    the time of tests that build networks. And what networks are made of comes by the million and goes seldom: looking
    through all of it less often than Python does saves another 3 %.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 50)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Keep what frameworks never let go of out of its way too, after each file of tests.

    What they remember of a network is there to the end. Looking through all of it took two seconds after an hour of
    tests, as often as one of them asks for a collection.
    """
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Seed each test by its name, and let the network from scratch learn for few steps where a test is not about it.

    No fixture could: those of a file or of a session, which fit as well, are made before any of one test.
    """
    _seed(item.nodeid)
    about_it = item.get_closest_marker("tuned") is not None
    with pytest.MonkeyPatch.context() as patch:
        if item.nodeid.startswith(_NOT_ABOUT_SCRATCH) and not about_it:
            patch.setattr("regraft.recipes.baselines.tuning.STEPS", 30)
        return (yield)


def _seed(name: str) -> None:
    """First weights that nobody seeded are the same in every run: a test that fails for some fails for all of them."""
    seed = zlib.crc32(name.encode())
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of real networks and data; the test is skipped where it is absent."""
    named = os.environ.get("REGRAFT_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "nets").is_dir():
        pytest.skip(f"needs the real networks and data: no folder '{folder}'; name one with REGRAFT_SHARED")
    return folder


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or leaves anything in the user's own cache and catalogue."""
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("REGRAFT_ZOO", str(tmp_path_factory.mktemp("zoo")))


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """Runs scripts in processes of their own, which may die."""
    with Forking() as process:
        yield process


@pytest.fixture
def zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights, where nothing looks at them, are zeros: drawing them takes longer than building the networks."""
    import keras

    scaled = keras.initializers.VarianceScaling
    monkeypatch.setattr(scaled, "__call__", lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype))


@pytest.fixture
def hollow(zeros: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of one shape share one value, where only the layout of networks is looked at.

    Making a thousand variables takes as long as all else of building a network, or longer.
    """
    import keras

    make, values = keras.Variable._initialize_with_initializer, dict[tuple[object, ...], object]()

    def initialize(self: keras.Variable, initializer: object) -> None:
        kind = (*self.shape, self.dtype)
        if kind not in values:
            make(self, initializer)
            values[kind] = self._value
        self._value = values[kind]

    monkeypatch.setattr(keras.Variable, "_initialize_with_initializer", initialize)


@pytest.fixture
def hearing() -> Iterator[None]:
    """Ctrl-C is heard, also in a process that was started deaf to it, as scripts start what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
