"""The page of a depth search: how many layers to reuse, how sure that is, and what it rests on; nothing but itself."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from regraft.core import plan, storage
from regraft.core.depth import DepthRecord
from regraft.report import depth_reading as reading
from regraft.report.naming import breakable
from regraft.report.page import environment
from regraft.report.plots.depth import DEPTH_PLOTS
from regraft.report.plots.rates import written
from regraft.report.scripts import policy, script

DEPTH_PAGE = "depth.html"
SECTIONS: Mapping[str, str] = {
    "depth": "Accuracy by depth",
    "ways": "The ways that were tried",
    "reuse": "Does reuse help?",
    "forecast": "What more labels would bring",
    "cost": "What the search took",
    "plan": "Use it: the plan",
    "warnings": "Warnings",
    "environment": "Environment",
}
# A heading of more letters is set smaller.
_LONG = 90
_PLAN, _REPORT = "plan.toml", "report.html"


def write(folder: Path, record: DepthRecord) -> Path:
    """Write the page of a depth search into its folder.

    Args:
        folder: made if it is not there; a page of before is replaced.
        record: of the search.

    Returns:
        The page's file, `depth.html`.

    Raises:
        StorageError: it cannot be written.
    """
    path = folder / DEPTH_PAGE
    storage.write_text(path, depth_page(record, folder))
    return path


def depth_page(record: DepthRecord, folder: Path | None = None) -> str:
    """The page, which can be read, mailed and printed, and which asks for nothing from the network.

    Args:
        record: of the search.
        folder: where the page is going to be, so that its links are right; None: in the record's own folder.

    Returns:
        HTML. Every name in it is escaped, and what is not Unicode in a file name is replaced by a question mark. One
        script, the page's own, sorts tables and copies the plan; without it the page says the same.
    """
    here = Path(record.folder) if folder is None else folder
    rows = [(trial, reading.standing(record, trial)) for trial in record.table]
    html = (
        environment()
        .get_template("depth.html")
        .render(
            record=record,
            sections=SECTIONS,
            figures={name: draw(record) for name, draw in DEPTH_PLOTS.items()},
            confidence=reading.confidence(record),
            told_apart=reading.told_apart(record),
            alike=reading.alike(record),
            ahead=reading.ahead(record),
            corrected=reading.corrected(record),
            own=reading.recommended(record),
            cost=reading.cost(record),
            rows=rows,
            standings=reading.STANDINGS,
            in_words=reading.in_words,
            breakable=breakable,
            sentence=reading.sentence,
            rate=lambda value: written(value) if value else "",
            is_long=len(record.recommended.sentence) > _LONG,
            plan_toml=plan.to_toml(record.plan),
            command=_command(record),
            report=_link(here, Path(record.run) / _REPORT) if record.run else None,
            script=script("depth.js"),
            policy=policy("depth.js"),
        )
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def _command(record: DepthRecord) -> str:
    """What makes the recommended model, ready to be said on a command line."""
    data = shlex.quote(record.plan.data) if record.plan.data else "DATA"
    return f"regraft fit {data} --plan {shlex.quote(str(Path(record.folder) / _PLAN))}"


def _link(here: Path, there: Path) -> str:
    """The address of a file, as it is seen from a page in another folder."""
    return quote(Path(os.path.relpath(there, here)).as_posix().encode("utf-8", "surrogateescape"))
