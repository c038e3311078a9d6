import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from regraft import data
from regraft.core.errors import DataError, RequestError
from regraft.core.plan import SplitSpec
from regraft.core.progress import collecting_warnings

_FUNCTIONS = ["accepts", "gather", "unlabelled", "grouped"]


def test_every_kind_has_the_same_functions_in_the_same_order() -> None:
    for kind in data.KINDS:
        own = [name for name, value in vars(kind).items() if getattr(value, "__module__", "") == kind.__name__]
        public = [name for name in own if not name.startswith("_")]
        # What can be learnt from without labels says so, and what has groups of its own.
        assert public in (_FUNCTIONS[:2], _FUNCTIONS[:3], _FUNCTIONS), kind.__name__
        assert kind.WHAT
        assert not kind.accepts(object())


def test_unknown_kinds(tmp_path: Path) -> None:
    (tmp_path / "d.zip").write_bytes(b"PK")
    with pytest.raises(
        RequestError, match=r"expected data of a known kind, found the file '.*d.zip'; known are: a folder"
    ):
        data.open(tmp_path / "d.zip")
    with pytest.raises(RequestError, match=r"found a builtins.int; known are"):
        data.open(3)


def test_a_wrong_path_names_the_nearest(flowers: Path) -> None:
    with pytest.raises(DataError, match=r"no data at '.*flower'.*; nearest known names: flowers"):
        data.open(str(flowers.parent / "flower"))


def test_strings_are_paths(flowers: Path) -> None:
    assert len(data.open(str(flowers))) == 60


def test_an_empty_validation_split_is_warned_of() -> None:
    x = np.arange(4, dtype=np.float32).reshape(4, 1)
    with collecting_warnings() as warned:
        data.open((x, [0, 0, 1, 1]), split=SplitSpec(1e-9, 0))
    assert warned == ["no example of the arrays given is in the validation split; add examples, or state the splits"]
    with collecting_warnings() as warned:
        data.open((x, [0, 0, 1, 1]), split=SplitSpec(0, 0))
    assert not warned


def test_no_framework_is_imported() -> None:
    heavy = "{'tensorflow', 'keras', 'torch', 'jax', 'pyarrow', 'datasets', 'pandas', 'sklearn'}"
    code = f"import sys, regraft.data as d; d.open(([[0.], [1.]], [0, 1])); sys.exit(str({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "set()"
