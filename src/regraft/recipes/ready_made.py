"""What `--plan` and `plan=` name: a file that holds a plan, or a ready-made one."""

import os
from pathlib import Path

from regraft.core import plan as plans
from regraft.core.errors import RequestError
from regraft.core.plan import AUTO, FineTuneSpec, Plan
from regraft.training import strategies


def named(text: str | os.PathLike[str]) -> Plan | FineTuneSpec:
    """The plan in a file, or what a ready-made plan says of the layers above the head; a file of that name goes first.

    Args:
        text: a path, or a name such as `gradual-unfreezing` or `last-20`.

    Raises:
        RequestError: there is neither, or the file holds no plan.
    """
    path = Path(text).expanduser()
    if path.is_file() or not isinstance(text, str) or path.suffix or len(path.parts) > 1:
        return plans.read(path)
    if text == AUTO:
        return FineTuneSpec()
    try:
        strategies.find(text)
    except RequestError as error:
        raise RequestError(f"{error}; nor is there a file of this name") from None
    return FineTuneSpec(strategy=text)


def require(spec: FineTuneSpec) -> None:
    """Refuse a strategy that there is not.

    Raises:
        RequestError: its name is unknown.
    """
    if spec.strategy != AUTO:
        strategies.find(spec.strategy)
