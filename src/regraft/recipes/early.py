"""What can be refused before a framework is loaded, which takes seconds."""

from pathlib import Path

from regraft import formats
from regraft.core.card import is_source
from regraft.core.errors import RequestError
from regraft.core.input_spec import parse_convention
from regraft.core.plan import Plan
from regraft.data import files
from regraft.recipes import ready_made, run_folder
from regraft.recipes.inspecting import is_file


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
        RequestError: it does not.
    """
    if not (folder / run_folder.RECORD).exists() and not run_folder.is_begun(folder):
        run_folder.read(folder)
        raise RequestError(f"expected a run folder, found none at '{folder}'")
