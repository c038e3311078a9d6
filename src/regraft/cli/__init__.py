"""The words of the command line: one file per command, no logic in them."""

from regraft.cli.start import main

__all__ = ["main"]
