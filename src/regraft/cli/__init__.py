"""The words of the command line: one file per command, no logic in them."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; see `regraft.cli.start.main`.

    Args:
        argv: the words after `regraft`; None: those of the process.

    Returns:
        The exit status.
    """
    try:
        # Here, so that Ctrl-C is answered in one line from the first moment on.
        from regraft.cli import start

        return start.main(argv)
    except KeyboardInterrupt:
        sys.stderr.write("regraft: interrupted\n")
        return 130
