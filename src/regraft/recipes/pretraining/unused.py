"""What is said and makes no difference: it is refused, so that nobody takes it for done."""

from collections.abc import Collection, Mapping

from regraft.core import plain
from regraft.core.errors import RequestError
from regraft.core.pretraining import Asked, Kind
from regraft.pretraining import METHODS, method
from regraft.pretraining.learner import Method

_OF_TEXTS = ("--tokens", "--vocabulary-size", "--length")


def refuse(said: Collection[str], chosen: Method, asked: Asked, kind: Kind, origin: str) -> None:
    """Refuse an option or a setting that nothing reads.

    Args:
        said: the options, as on the command line, and the settings as `--set NAME`; what was not said is at its
            default, which may be idle.
        chosen: the method.
        asked: all of what is asked for.
        kind: of the examples.
        origin: of the examples, for the message.

    Raises:
        RequestError: one of them is said, named with what it is for.
    """
    for option, use in _unused(chosen, asked, kind).items():
        if option in said:
            raise RequestError(
                f"{option} makes no difference to '{chosen.NAME}' on the {kind} in {origin}: it is for {use}; "
                "leave it out"
            )


def _unused(chosen: Method, asked: Asked, kind: Kind) -> dict[str, str]:
    """What makes no difference, each with what it is for."""
    settings = plain.from_plain(chosen.Settings, dict(asked.settings), "settings")
    own: Mapping[str, str] = settings.unused(kind) if hasattr(settings, "unused") else {}
    found = {f"--set {name}": use for name, use in {**own, **(asked.spec or chosen.SPEC).unused}.items()}
    if not chosen.GROUPS:
        grouped = ", ".join(name for name in METHODS if method(name).GROUPS)
        found["--group-column"] = f"the method {grouped}, which learns what belongs together"
    if not getattr(settings, "needs_pairs", False):
        found["--pairs"] = "by=pairs of the method ranking"
    if kind != "text":
        found |= dict.fromkeys(_OF_TEXTS, "texts")
    if kind == "table" and asked.scaling == "unit":
        found["--scaling"] = "plain numbers, and as standard or none for tables"
    elif kind in ("pictures", "text"):
        found["--scaling"] = "plain numbers"
    return found
