"""What is not certain, or left over, as comments behind proposed rules: rules to be taken by deleting a `#`."""

from collections.abc import Sequence

from regraft.core.rules import Rule
from regraft.importers.restoring.alternatives import Open
from regraft.importers.restoring.excusing import exact
from regraft.importers.restoring.matching import Move
from regraft.importers.restoring.proposing import Proposal


def alternatives(item: Open) -> str:
    """Every way for some tensors, each as rules."""
    lines = [f"\n# {item}" if not item.ways else f"\n# several ways for {len(item.tensors)} tensors; keep one:"]
    for why, way in item.ways:
        lines.append(f"# {why}")
        lines += [f"#   {_line(move)}" for move in way]
    return "\n".join(lines) + "\n"


def left_over(proposal: Proposal, tensors: Sequence[str], variables: Sequence[str]) -> str:
    """What neither has a place nor could have several, as rules that leave it out.

    Args:
        proposal: what was found.
        tensors: all names in the source.
        variables: all names in the model.
    """
    gone = {name for item in (*proposal.moves, *proposal.open) for name in item.tensors} | {*proposal.skipped}
    given = {name for item in (*proposal.moves, *proposal.open) for name in item.variables}
    unused = [name for name in tensors if name not in gone]
    missing = [name for name in variables if name not in given]
    lines: list[str] = []
    if unused:
        lines.append("\n# no place was found for these tensors; say one, or leave them out:")
        lines += [f"# skip {exact(name)}" for name in unused]
    if missing:
        lines.append("\n# no tensor was found for these variables; say one, or keep them as they are:")
        lines += [f"# keep {exact(name)}" for name in missing]
    return "\n".join(lines) + "\n" if lines else ""


def _line(move: Move) -> str:
    return str(Rule("map", (exact(move.tensors[0]),), move.variables, move.steps))
