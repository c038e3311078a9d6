"""What became of every tensor of a graph file: one row for each."""

from regraft.core.opened import LoadReport
from regraft.core.tensors import TensorArchive
from regraft.graph import names
from regraft.importers.graphs.build import Built


def report(archive: TensorArchive, built: Built) -> LoadReport:
    """Account for the tensors of the file and the variables of the model.

    A tensor that became a variable is `loaded` or `renamed`; one that was only read as a setting (a shape, a factor, a
    mean that the input is reduced by) is `skipped`; one that nothing in the model needs is `unused`.
    """
    called = {id(variable): name for name, variable in names.variables(built.model).items()}
    went: dict[str, str] = {}
    notes: list[str] = []
    for sources, variable in built.loaded:
        if id(variable) not in called:
            continue
        for source in sources:
            if source in went:
                notes.append(f"'{source}' is also in '{called[id(variable)]}'")
            went.setdefault(source, called[id(variable)])
    filled = {id(variable) for _, variable in built.loaded}
    added = [name for key, name in called.items() if key not in filled and "seed_generator" not in name]
    if added:
        notes.append(f"not in the file, with the value that changes nothing: {', '.join(added)}")
    rest = [name for name in archive.tensors if name not in went]
    # What was read for a layer that the model does not have (it is above the last cut point) went nowhere.
    lost = {source for sources, variable in built.loaded if id(variable) not in called for source in sources}
    return LoadReport(
        loaded=tuple(name for name, own in went.items() if name == own),
        renamed=tuple((name, own) for name, own in went.items() if name != own),
        skipped=tuple(name for name in rest if name in built.read and name not in lost),
        unused=tuple(name for name in rest if name not in built.read or name in lost),
        notes=(*notes, *(f"{node.operator} '{node.name}': {reason}" for node, reason in built.failed if reason)),
    )
