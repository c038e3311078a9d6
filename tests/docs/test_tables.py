"""Lists in the documentation are whole: what the code knows is on a page."""

import inspect
import re

import regraft
from regraft import data
from regraft.core.input_spec import CONVENTIONS
from regraft.formats import FORMATS
from regraft.recipes import demo, estimator, export_kinds, exporting, run_folder
from regraft.training.strategies import STRATEGIES
from tests.docs.reading import DOCS, ROOT

_CHECKED_NAMES = {"cut_points": "cut-points", "TransferClassifier": "transfer-classifier"}


def _page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def test_every_name_of_the_front_door_is_in_the_index() -> None:
    index = _page("README")
    missing = [name for name in regraft.__all__ if f"`regraft.{name}`" not in index]
    assert not missing


def test_every_verb_of_the_front_door_that_has_a_page_is_linked_there() -> None:
    index = _page("README")
    for name in regraft.__all__:
        page = _CHECKED_NAMES.get(name, name)
        if (DOCS / f"{page}.md").exists():
            assert re.search(rf"\[`regraft\.{name}`\]\({re.escape(page)}\.md\)", index), name


def test_every_input_convention_is_on_the_page_of_open() -> None:
    assert not [name for name in CONVENTIONS if f"`{name}`" not in _page("open")]


def test_every_readable_format_is_on_the_page_of_inspect() -> None:
    assert not [name for name in FORMATS if f"`{name}`" not in _page("inspect")]


def test_every_kind_of_data_is_on_the_page_of_data() -> None:
    kinds = [module.__name__.rpartition(".")[2] for module in data.KINDS]
    assert not [kind for kind in kinds if f"data/{kind}.py" not in (ROOT / "CONTRIBUTING.md").read_text("utf-8")]
    assert _page("data").count("\n| ") >= len(kinds)


def test_every_file_of_a_run_is_on_the_page_of_fit() -> None:
    files = (
        run_folder.PLAN,
        run_folder.RECORD,
        run_folder.MODEL,
        run_folder.REPORT,
        run_folder.CARD,
        run_folder.HISTORY,
        run_folder.EVIDENCE,
    )
    assert not [name for name in files if f"`{name}`" not in _page("fit")]


def test_every_kind_of_export_is_on_the_page_of_export() -> None:
    assert not [kind for kind in exporting.KINDS if f"| `{kind}` |" not in _page("export")]
    assert tuple(exporting.KINDS) == export_kinds.KINDS


def test_everything_that_the_demo_leaves_is_on_its_page() -> None:
    names = (demo.SOURCE, demo.DATA, demo.PICTURES, demo.RUN, demo.CACHE)
    assert not [
        name for name in names if f"| `{name}` |" not in _page("demo") and f"| `{name}/` |" not in _page("demo")
    ]


def test_every_argument_of_the_estimator_is_on_its_page() -> None:
    arguments = estimator.TransferClassifier().get_params()
    assert not [name for name in arguments if f"`{name}`" not in _page("transfer-classifier")]


def test_every_argument_of_fit_is_on_its_page() -> None:
    arguments = set(inspect.signature(regraft.fit).parameters) - {"data", "source", "labels"}
    assert not [name for name in sorted(arguments) if f"| `{name}=" not in _page("fit")]


def test_every_ready_made_plan_is_on_its_page() -> None:
    assert not [name for name in STRATEGIES if f"| `{name}`" not in _page("plans")]


def test_every_page_of_a_format_says_what_is_kept_what_is_not_and_what_is_refused_in_one_order() -> None:
    wanted = ["What is kept", "What is not kept", "What is refused", "As a model"]
    for page in sorted((DOCS / "formats").glob("*.md")):
        headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert [heading for heading in headings if heading in wanted] == wanted, page.name
        assert headings[: len(wanted)] == wanted, page.name


def test_every_readable_format_has_a_page() -> None:
    rows = dict(re.findall(r"^\| (`[^|]+`) \| (.+) \|$", _page("inspect"), re.MULTILINE))
    missing = [name for name in FORMATS if not any(f"`{name}`" in key and "formats/" in rows[key] for key in rows)]
    assert not missing
