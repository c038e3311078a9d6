"""What can be refused before a framework is loaded, which takes seconds."""

from pathlib import Path

from regraft import formats
from regraft.core.card import is_source
from regraft.core.errors import RequestError, nearest
from regraft.core.input_spec import parse_convention
from regraft.core.plan import Plan
from regraft.data import files
from regraft.formats import folders
from regraft.recipes import ready_made, run_folder
from regraft.recipes.inspecting import is_file

# What says that a run or a pretraining was begun in a folder, or finished.
_BEGUN, _FINISHED = (folders.RUN_ASKED, run_folder.PLAN, folders.ASKED), (folders.RUN, folders.PRETRAINING)
# How many of them a refusal names.
_NAMED = 6


def refuse(plan: Plan, out: Path | None) -> None:
    """Refuse a plan that cannot be carried out, as far as that can be told at once.

    Args:
        plan: with the data and the source named.
        out: the run folder, if it is named.

    Raises:
        RequestError: a path is wrong, a file is no network, the preprocessing or the strategy is unknown, or the
            folder is taken.
        CorruptFileError: the source is empty or cut off.
    """
    require_data(plan.data)
    if is_file(plan.source):
        formats.sniff(Path(plan.source))
    if is_source(plan.source):
        # Here, because most sources need no database.
        from regraft.catalogue import open_catalogue

        open_catalogue().card(plan.source)
    if plan.preprocessing is not None:
        # The number of channels is not known yet; most networks have three.
        parse_convention(plan.preprocessing, 3)
    ready_made.require(plan.fine_tune)
    if out is not None:
        run_folder.require_free(out)


def require_data(path: str) -> None:
    """Refuse a path of examples where there is nothing.

    Raises:
        RequestError: there is nothing.
    """
    files.existing(Path(path).expanduser())


def require_run(folder: Path) -> None:
    """Refuse a folder that holds no run, finished or begun.

    Raises:
        RequestError: it does not; the message names what could be resumed beside it.
    """
    run_folder.refuse_search(folder)
    if not (folder / run_folder.RECORD).exists() and not run_folder.is_begun(folder):
        raise RequestError(
            f"expected a run folder or that of a pretraining, found none at '{folder}'"
            f"{nearest(folder.name, _resumed(folder.parent), _NAMED)}"
        )


def _resumed(folder: Path) -> list[str]:
    """Names of the runs and the pretrainings in a folder, unfinished ones first."""
    begun, finished = (
        {path.parent.name for name in names for path in folder.glob(f"*/{name}")} for names in (_BEGUN, _FINISHED)
    )
    return [*sorted(begun - finished), *sorted(finished)]
