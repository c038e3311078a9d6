"""Every Python example of the documentation runs, and prints what the page says that it prints.

The blocks of a page are one session: later ones know the names of earlier ones. A `text output` block after one is what
that prints, `...` standing for anything. Blocks marked `no-run` need a download, or what only the reader has; they must
be Python all the same.
"""

import contextlib
import doctest
import io
import itertools
from pathlib import Path

import keras
import pytest

from tests.docs.reading import PAGES, ROOT, Block, blocks

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_TRAIN = ("regraft.fit(", "regraft.depth(", ".fit(")
_MOST_THAT_DO_NOT_RUN = 4


def _python(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.words[:1] == ("python",)]


def _runs(block: Block) -> bool:
    return "no-run" not in block.words


def _with_expected(page: Path) -> list[tuple[Block, str | None]]:
    found = blocks(page)
    return [
        (block, after.text if after and after.words == ("text", "output") else None)
        for block, after in itertools.zip_longest(found, found[1:])
        if block.words[:1] == ("python",) and _runs(block)
    ]


def _cases() -> list[object]:
    cases: list[object] = []
    for page in PAGES:
        runnable = [block for block in _python(page) if _runs(block)]
        if runnable:
            trains = any(word in block.text for block in runnable for word in _TRAIN)
            cases.append(pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if trains else []))
    return cases


@pytest.mark.parametrize("page", _cases())
@pytest.mark.usefixtures("workplace")
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the examples run once, on TensorFlow")
def test_examples_of_a_page_run_and_print_what_it_says(page: Path) -> None:
    session: dict[str, object] = {"__name__": "__main__"}
    for block, expected in _with_expected(page):
        printed = io.StringIO()
        # Blank lines put an error where it is on the page.
        code = compile("\n" * (block.line - 1) + block.text, str(page.relative_to(ROOT)), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, session)
        if expected is not None:
            assert doctest.OutputChecker().check_output(expected, printed.getvalue(), _FLAGS), (
                f"{block.place} prints\n{printed.getvalue()}\nthe page says\n{expected}"
            )


def test_the_checker_of_outputs_can_fail() -> None:
    assert not doctest.OutputChecker().check_output("1 of 2\n", "1 of 3\n", _FLAGS)
    assert doctest.OutputChecker().check_output("1 of ...\n", "1 of 3\n", _FLAGS)


def test_outputs_stand_after_the_code_that_prints_them() -> None:
    for page in PAGES:
        expected = [block for block in blocks(page) if block.words == ("text", "output")]
        paired = [text for _, text in _with_expected(page) if text is not None]
        assert len(paired) == len(expected), f"{page.name} has an output that no Python block stands before"


def test_what_does_not_run_is_python_and_rare() -> None:
    idle = [block for page in PAGES for block in _python(page) if not _runs(block)]
    for block in idle:
        compile(block.text, block.place, "exec")
    assert len(idle) <= _MOST_THAT_DO_NOT_RUN, [block.place for block in idle]
