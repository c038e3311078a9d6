"""Where the catalogue is: for the block, and as before behind it."""

import os

import pytest

from regraft.core.catalogue_place import VARIABLE, catalogue_at


@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_it_is_there_inside_the_block_and_as_before_behind_it(before, monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    if before is not None:
        monkeypatch.setenv(VARIABLE, before)
    with catalogue_at(tmp_path):
        assert os.environ[VARIABLE] == str(tmp_path)
    assert os.environ.get(VARIABLE) == before
    with pytest.raises(ValueError, match="inside"), catalogue_at(tmp_path):
        raise ValueError("inside")
    assert os.environ.get(VARIABLE) == before


def test_nothing_said_changes_nothing(monkeypatch):
    monkeypatch.setenv(VARIABLE, "here")
    with catalogue_at(None):
        assert os.environ[VARIABLE] == "here"
