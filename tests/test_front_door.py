"""The names of `import regraft`."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import regraft

ROOMS = [path.stem for path in Path(regraft.__file__).parent.iterdir() if not path.name.startswith("__")]


def test_the_names_are_few_and_sorted():
    assert sorted(regraft.__all__) == regraft.__all__
    assert len(set(regraft.__all__)) == len(regraft.__all__) <= 30


@pytest.mark.parametrize("name", regraft.__all__)
def test_every_name_is_there_and_is_no_module(name):
    value = getattr(regraft, name)
    assert not isinstance(value, ModuleType)
    assert isinstance(value, str) or value.__doc__


def test_no_name_is_that_of_a_room():
    assert not set(regraft.__all__) & set(ROOMS)


def test_rooms_and_names_live_together():
    import regraft.cli
    import regraft.data
    import regraft.report

    assert callable(regraft.fit)
    assert isinstance(regraft.data, ModuleType)
    assert isinstance(regraft.report, ModuleType)
    assert regraft.open_data is regraft.data.open


def test_type_checkers_see_the_names_that_are_there():
    (block,) = [node for node in ast.parse(Path(regraft.__file__).read_text()).body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name: f"{statement.module}:{alias.name}"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == regraft._WHERE
    assert set(regraft.__all__) == {*seen, "__version__"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'regraft' has no attribute 'fitt'"):
        _ = regraft.fitt
    assert set(regraft.__all__) <= set(dir(regraft))


def test_importing_it_imports_next_to_nothing():
    code = "import sys; import regraft; print(sorted(name for name in sys.modules if name.startswith('regraft')))"
    code += (
        "; print([name for name in ('keras', 'tensorflow', 'jax', 'torch', 'numpy', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['regraft']", "[]"]
