"""What the tests of recipes share: folders of pictures, networks as files, and a run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from regraft.core.plan import FineTuneSpec, Plan
from regraft.recipes import running
from regraft.recipes.running import Run
from tests.recipes.shapes import convolutional, write_pictures


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes, 16 pictures each."""
    return write_pictures(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function from the number of channels to the file of a network for pictures."""
    folder = tmp_path_factory.mktemp("networks")

    def saved(channels: int = 3) -> Path:
        path = folder / f"tiny{channels}.keras"
        if not path.exists():
            convolutional(channels).save(path)
        return path

    return saved


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More pictures of the same classes: some twenty to be judged by."""
    return write_pictures(tmp_path_factory.mktemp("many") / "shapes", 40)


@pytest.fixture(scope="session")
def tuned_on_many(network: Callable[..., Path], many: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose upper layers learnt enough to be other ones; it is only looked at."""
    folder = tmp_path_factory.mktemp("tuned")
    spec = FineTuneSpec("yes", epochs=12, from_cut="relu1", rate=3e-2, average=1.0)
    plan = Plan(
        str(network()), preprocessing="tf", cut_point="conv3", baselines="no", refit="yes", fine_tune=spec, seed=5
    )
    return running.fit(many, plan=plan, out=folder / "run", cache=folder / "cache")
