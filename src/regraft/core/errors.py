"""What Regraft raises, and how a message is put together.

    RegraftError
    ├── RequestError            the request was wrong; nothing was done (exit status 2)
    │   ├── DataError           the examples cannot be used as asked
    │   ├── SourceError         the source cannot be opened, or not for this purpose
    │   └── SelectorError       a rule matches nothing, or a name is matched by no rule
    └── WorkError               the request was right, the work failed (exit status 1)
        ├── ProofError          a proof did not hold: a frozen variable moved, coverage too low
        ├── CorruptFileError    a file is truncated or was altered
        └── StorageError        no space, no permission, a folder in use

Every message is one line: what was expected, what was found, where, the nearest known names, what to do.
"""

import difflib
from collections.abc import Iterable

# A message quotes names, and a file may be full of names that would be pages long, or steer the reader's terminal.
_LONGEST = 1500


def legible(text: str, longest: float = _LONGEST) -> str:
    r"""A text as one line of bounded length, whatever a file put into it.

    >>> legible("layer 'a\nb' " + "x" * 9), legible("\x1b[2J")
    ("layer 'a\\nb' xxxxxxxxx", '\\x1b[2J')
    """
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= longest else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


class RegraftError(Exception):
    """Anything that Regraft itself reports; `exit_status` is what the command line returns."""

    exit_status = 1

    def __init__(self, *said: object) -> None:
        """Note what is said, in one line."""
        super().__init__(*(legible(part) if isinstance(part, str) else part for part in said))


class RequestError(RegraftError):
    """The request was wrong; nothing was done."""

    exit_status = 2


class DataError(RequestError):
    """The examples cannot be used as asked."""


class SourceError(RequestError):
    """The source cannot be opened, or cannot serve this purpose."""


class SelectorError(RequestError):
    """A rule matches nothing, or a name is matched by no rule."""


class WorkError(RegraftError):
    """The request was right, but the work failed."""


class ProofError(WorkError):
    """A proof did not hold."""


class CorruptFileError(WorkError):
    """A file is truncated or was altered."""


class StorageError(WorkError):
    """The disk refused: no space, no permission, or the folder is in use."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The end of a message about an unknown name: the known names closest to it, or an empty string.

    >>> nearest("conv_pw_12", ["conv_pw_12_relu", "conv_pw_12_bn", "dense"])
    '; nearest known names: conv_pw_12_bn, conv_pw_12_relu'
    >>> nearest("x", [])
    ''
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=count, cutoff=0.4)
    if close:
        return f"; nearest known names: {', '.join(close)}"
    return f"; known names: {', '.join(known[:count])}{', ...' if len(known) > count else ''}" if known else ""
