"""What the tests of rankings share."""

import shutil
from pathlib import Path

import pytest

import regraft
from regraft.core.ranking import RankRecord
from regraft.recipes.running import Run
from tests.recipes.ranking import sources


@pytest.fixture(scope="session")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small networks, good and poor, and of what is none."""
    return sources.write(tmp_path_factory.mktemp("ranking"))


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the examples that they are ranked for."""
    return sources.write_examples(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def ranked(nets: Path, examples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RankRecord, Path]:
    """A ranking of all of them, and the cache that it left."""
    cache = tmp_path_factory.mktemp("ranked")
    return regraft.rank(examples, nets, cache=cache), cache


@pytest.fixture(scope="session")
def record(ranked: tuple[RankRecord, Path]) -> RankRecord:
    return ranked[0]


@pytest.fixture(scope="session")
def kept(ranked: tuple[RankRecord, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests share; it begins with what the ranking left."""
    return shutil.copytree(ranked[1], tmp_path_factory.mktemp("kept"), dirs_exist_ok=True)


@pytest.fixture(scope="session")
def mine(ranked: tuple[RankRecord, Path], nets: Path, examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The best of them fitted to the examples, with what the ranking left and nothing else; alone in its folder."""
    runs = tmp_path_factory.mktemp("runs")
    cache = shutil.copytree(ranked[1], tmp_path_factory.mktemp("fitted"), dirs_exist_ok=True)
    source = nets / "labelled.keras"
    return regraft.fit(examples, source, out=runs / "mine", fine_tune="no", baselines="no", cache=cache)
