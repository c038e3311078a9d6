"""What the tests of rankings share."""

from pathlib import Path

import pytest

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
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests share."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def record(nets: Path, examples: Path, kept: Path):
    """A ranking of all of them."""
    from regraft.recipes.ranking.asking import rank

    return rank(examples, nets, cache=kept)
