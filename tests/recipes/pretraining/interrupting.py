"""Pretrainings that are ended in the middle."""

from pathlib import Path
from typing import Any

import pytest

import regraft
from regraft.recipes.pretraining import running


def interrupted(monkeypatch: pytest.MonkeyPatch, *given: Any, after: int = 1, **others: Any) -> None:
    """A pretraining that is ended when so many checkpoints have been written."""
    kept, saved = running.loop.checkpoint.save, list[Path]()

    def save(path: Path, *state: Any) -> None:
        kept(path, *state)
        saved.append(path)
        if len(saved) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(running.loop.checkpoint, "save", save)
        with pytest.raises(KeyboardInterrupt):
            regraft.pretrain(*given, **others)
