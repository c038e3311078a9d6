"""The page of a finished run drawn again, and one page for several: without data or network, from their folders."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from regraft import report
from regraft.core import storage
from regraft.core.errors import CorruptFileError, RequestError
from regraft.core.evidence import EmbeddingMap, Method
from regraft.core.side_by_side import SideBySide
from regraft.formats import evidence
from regraft.recipes import run_folder, side_by_side
from regraft.recipes.depth import folder as searches
from regraft.recipes.side_by_side import Finished
from regraft.training import embedding

COMPARISON = "comparison.html"
METHODS: dict[str, Method] = {"tsne": "t-SNE", "pca": "PCA"}
# Every page of ours has this, so that nothing else is written over.
_OURS = b'<meta name="generator" content="Regraft">'


def write_report(
    folders: Sequence[Path], out: Path | None = None, method: Literal["tsne", "pca"] | None = None
) -> SideBySide:
    """Draw the page of a run again, or one page that compares several.

    Args:
        folders: of finished runs; the first is what the others are compared with.
        out: the page; by default `report.html` in the folder of a single run, `comparison.html` in the current folder
            for several.
        method: how the map of a single run is drawn; None: as it was.

    Returns:
        What the page says of the runs as a whole.

    Raises:
        RequestError: a folder holds no finished run, or is named twice; the page would be written over something else.
        CorruptFileError: what a run keeps for its page is damaged.
    """
    refuse(folders, out, method)
    runs = [opened(folder) for folder in folders]
    if len(runs) == 1:
        return _alone(runs[0], out, method)
    page = out or Path(COMPARISON)
    _require_ours(page)
    summaries = side_by_side.summarised(runs)
    found = SideBySide(
        str(page),
        summaries,
        side_by_side.gains(runs, summaries),
        side_by_side.differences([run.record.plan for run in runs]),
        side_by_side.notes(runs, summaries),
    )
    kept = [run.evidence for run in runs if run.evidence is not None]
    storage.write_text(page, report.comparison_page(found, [run.record for run in runs], kept))
    return found


def refuse(folders: Sequence[Path], out: Path | None, method: str | None) -> None:
    """Refuse what can be seen to be wrong from the words alone.

    Raises:
        RequestError: no folder, one twice, a map of several runs, or a folder in place of the page.
    """
    if not folders:
        raise RequestError("expected the folder of a finished run, found none")
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            raise RequestError(f"the run in '{folder}' is named twice; name another one to compare it with")
        seen.add(folder.resolve())
    if method is not None and method not in METHODS:
        raise RequestError(f"expected a map of {' or '.join(METHODS)}, found '{method}'")
    if method is not None and len(folders) > 1:
        raise RequestError("a map is of one run; leave --map out, or name one run")
    if out is not None and out.is_dir():
        raise RequestError(f"'{out}' is a folder; name the page, such as '{out / COMPARISON}'")


def opened(folder: Path) -> Finished:
    """A finished run as it lies in its folder; its model is not looked at.

    Raises:
        RequestError: there is none.
        CorruptFileError: what it keeps for its page is damaged.
    """
    record = run_folder.read(folder)
    path = folder / run_folder.EVIDENCE
    try:
        return Finished(folder, record, evidence.read(path) if path.exists() else None)
    except CorruptFileError as error:
        raise CorruptFileError(
            f"'{path}', which pages are drawn from, is truncated or was altered; take it from a copy, or make the run "
            f"again with `regraft fit --plan {folder / run_folder.PLAN} --out again`; the model works without it, and "
            f"once it is removed, `regraft report {folder} --out page.html` draws the page without map and pictures"
        ) from error


def _alone(run: Finished, out: Path | None, method: str | None) -> SideBySide:
    page, kept = out or run.folder / run_folder.REPORT, run.evidence
    if kept is None and page.exists():
        raise RequestError(
            f"the run in '{run.folder}' is from before a run kept the small pictures of its page, and '{page}' would "
            "lose them; name another page with --out"
        )
    if method is not None:
        if kept is None or kept.embedding is None:
            raise RequestError(f"the run in '{run.folder}' keeps no map that could be drawn in another way")
        kept = replace(kept, embedding=redrawn(kept.embedding, METHODS[method], run.record.plan.seed))
    _require_ours(page)
    search, thumbnails = searches.read(run.folder), kept.thumbnails if kept else {}
    storage.write_text(page, report.page(run.record, thumbnails, kept, search, _beside(page, run.folder)))
    return SideBySide(str(page), side_by_side.summarised([run]))


def _beside(page: Path, folder: Path) -> str | None:
    """The address of the search's page, where that goes wherever the run's goes: in one folder with it."""
    together = page.parent.resolve() == folder.resolve() and (folder / searches.PAGE).exists()
    return searches.PAGE if together else None


def redrawn(drawn: EmbeddingMap, method: Method, seed: int) -> EmbeddingMap:
    """The map with places found in another way, from the components that were kept."""
    before = replace(drawn.before, places=embedding.placed(drawn.before.components, method, seed))
    if drawn.after is None:
        return replace(drawn, before=before, method=method)
    after = replace(drawn.after, places=embedding.placed(drawn.after.components, method, seed, before.places))
    return replace(drawn, before=before, after=after, method=method)


def _require_ours(page: Path) -> None:
    """Refuse to write over what is no page of ours."""
    if page.exists():
        with page.open("rb") as file:
            if _OURS not in file.read(2000):
                raise RequestError(f"'{page}' is there and no page of Regraft's; name another with --out")
