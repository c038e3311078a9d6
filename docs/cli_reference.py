"""Writes `docs/cli.md`, the reference of the command line, from the `--help` of every command: `make docs`."""

from pathlib import Path

from regraft.cli import arguments, start

PAGE = Path(__file__).with_name("cli.md")

_HEAD = """# The command line

Made from the `--help` of every command by `make docs`; do not edit it by hand.

Every command takes `--json`: one JSON document on standard output and nothing else there. Progress and messages go to
standard error; bars are drawn only where somebody is looking. Exit status: 0 done, 1 the work failed or a proof did not
hold, 2 the request was wrong, 130 interrupted with Ctrl-C. `REGRAFT_CACHE` names the folder of the activations,
`REGRAFT_CACHE_LIMIT` how much they may take there, `KERAS_BACKEND` the backend; `REGRAFT_TRACEBACK=1` shows where an
error came from.
"""


def reference() -> str:
    """The page as it should be."""
    parts = [_HEAD, _fenced(start.overview())]
    for name, command in start.COMMANDS.items():
        parser = arguments.new(name, command.SUMMARY, command.EXAMPLE)
        command.add(parser)
        parts.append(
            f"## regraft {name}\n\nExplained on the page [{name}]({name}.md).\n\n{_fenced(parser.format_help())}"
        )
        parts += [_fenced(action.format_help()) for action in arguments.actions_of(parser)]
    return "\n".join(parts)


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
