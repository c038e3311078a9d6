"""The networks of the candidates, opened for the examples at hand, and kept open as long as they are not too large."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from regraft.core import memory
from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.core.plan import Plan
from regraft.core.progress import collecting_warnings
from regraft.data import Examples
from regraft.graph import names
from regraft.importers import Pretrained
from regraft.recipes.encoding import encoded
from regraft.recipes.ranking.candidate import Candidate
from regraft.recipes.running import open_for
from regraft.recipes.transfer import check_inputs

# Bytes of weights of networks that stay open between rounds; opening one again takes seconds.
_KEPT = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """A candidate that is open, and can take the examples.

    Attributes:
        pretrained: the network, with the way in which these examples become its input.
        plan: that `fit` would begin with.
        warnings: that opening it gave.
    """

    pretrained: Pretrained
    plan: Plan
    warnings: tuple[str, ...]


class Sources:
    """Opens candidates.

    Args:
        examples: that they are for.
        plan: what is the same for all of them; its source is left open.
    """

    def __init__(self, examples: Examples, plan: Plan) -> None:
        self._examples, self._plan = examples, plan
        self._open: OrderedDict[str, tuple[Open, int]] = OrderedDict()

    def open(self, candidate: Candidate) -> Open:
        """The network of a candidate.

        Raises:
            RegraftError: it cannot be opened, or takes something else.
        """
        if candidate.name in self._open:
            self._open.move_to_end(candidate.name)
            return self._open[candidate.name][0]
        if candidate.inputs is not None:
            # Before its weights are read.
            _refuse_another_kind(candidate.inputs, self._examples)
        plan = replace(self._plan, source=candidate.name)
        with collecting_warnings() as warned:
            opened = open_for(plan, candidate.source)
            _refuse_another_kind(opened.inputs, self._examples)
            pretrained = encoded(opened, self._examples, plan)
            check_inputs(pretrained, self._examples)
        made = Open(pretrained, plan, tuple(warned))
        self._open[candidate.name] = made, sum(_bytes(item) for item in names.variables(pretrained.model).values())
        while sum(size for _, size in self._open.values()) > _KEPT and len(self._open) > 1:
            self._open.popitem(last=False)
            memory.release()
        return made

    def close(self, candidate: Candidate) -> None:
        """Forget the network of a candidate that is not needed any more."""
        if self._open.pop(candidate.name, None) is not None:
            memory.release()


def _refuse_another_kind(inputs: InputSpec, examples: Examples) -> None:
    """Refuse what is known to take another kind of examples.

    Raises:
        SourceError: it does.
    """
    columns = examples.columns
    kinds = {
        "texts": inputs.text is not None,
        "rows of a table": inputs.table is not None,
        # Without columns, what a picture is goes by the shapes, which are compared later.
        "pictures": inputs.is_picture and columns is not None,
    }
    takes = next((kind for kind, so in kinds.items() if so), None)
    given = None if columns is None else "texts" if columns.of_text else "rows of a table"
    if takes is not None and takes != given:
        raise SourceError(f"it takes {takes}, and these examples are {given or 'pictures or arrays'}")


def _bytes(variable: object) -> int:
    shape: tuple[int, ...] = tuple(getattr(variable, "shape", ()))
    size = 4
    for side in shape:
        size *= side
    return size
