import json
import os
import subprocess
import sys

import pytest

from regraft.cli import main
from regraft.cli.start import COMMANDS
from regraft.core.errors import ProofError

FRAMEWORKS = ("keras", "tensorflow", "jax", "torch", "sklearn", "rich")


def loaded_after(*words, cwd=None):
    """The exit status of a command in a new process, and which heavy packages it imported."""
    ((status, loaded),), out = loaded_after_each([words], cwd)
    return status, loaded, out


def loaded_after_each(commands, cwd=None):
    """The same of commands one after the other in one new process, and all that they print."""
    code = (
        "import json, sys; from regraft.cli import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    status = main(words)\n"
        f"    print('after:', status, *(name for name in {FRAMEWORKS} if name in sys.modules), file=sys.stderr)"
    )
    given = json.dumps([[*map(str, words)] for words in commands])
    done = subprocess.run([sys.executable, "-c", code, given], capture_output=True, text=True, cwd=cwd)
    after = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("after:")]
    return [(int(status), loaded) for status, *loaded in after], done.stdout


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["--version"]], ids=" ".join)
def test_help_imports_no_framework(words):
    status, loaded, out = loaded_after(*words)
    assert (status, loaded) == (0, [])
    assert "regraft" in out


def test_inspecting_a_file_imports_no_framework(place):
    status, loaded, out = loaded_after("inspect", place / "network.keras", "--json")
    assert (status, loaded) == (0, [])
    assert '"conv1"' in out


def test_mistakes_are_found_before_a_framework_is_loaded(place, tmp_path):
    found, _ = loaded_after_each(
        [
            ["fit", tmp_path / "absent", "--source", place / "network.keras"],
            ["fit", place / "pictures", "--source", tmp_path / "absent.keras"],
            ["predict", tmp_path / "absent", "x.png"],
        ]
    )
    assert found == [(2, [])] * 3


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name, say):
    said = say(name, "--help")
    assert said.status == 0
    assert said.out.startswith(f"usage: regraft {name}")
    example = said.out.partition("example:\n")[2].splitlines()
    assert example
    assert all(line.startswith(f"  regraft {name} ") for line in example)
    assert "--json" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_the_help_can_be_parsed(name):
    from regraft.cli import arguments

    command = COMMANDS[name]
    for line in command.EXAMPLE.strip().splitlines():
        parser = arguments.new(name, command.SUMMARY, command.EXAMPLE)
        command.add(parser)
        parser.parse_args(line.split()[2:])


def test_overview_names_every_command(say):
    said = say("--help")
    assert said.status == 0
    for name, command in COMMANDS.items():
        assert f"  {name}" in said.out
        assert command.SUMMARY in said.out
    assert "example:\n  regraft fit" in said.out


def test_version(say):
    said = say("--version")
    assert (said.status, said.out) == (0, "regraft 0.1.0\n")


def test_no_command_shows_the_overview(say):
    said = say()
    assert said.status == 2
    assert said.out.startswith("usage: regraft COMMAND")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fti"], "unknown command 'fti'; nearest known names: fit"),
        (["--halp"], "unknown option '--halp'"),
        (["fit", "x", "--sorce", "y"], "unknown option '--sorce'; nearest known names: --source"),
        (["fit", "x", "--source"], "argument --source: expected one argument; `regraft fit --help`"),
        (["fit", "x", "--sour", "y"], "unknown option '--sour'; nearest known names: --source"),
        (["fit", "x", "y", "--source", "z"], "unknown argument 'y'"),
        (["fit", "x", "--source", "y", "--fine-tune", "maybe"], "invalid choice: 'maybe'"),
        (["fit", "x", "--source", "y", "--views", "0"], "expected a whole number above zero, found 0"),
        (["depth", "x", "--source", "y", "--jobs", "many"], "expected a whole number above zero, found many"),
        (["pretrain", "rbm", "x", "--epochs", "1.5"], "expected a whole number above zero, found 1.5"),
        (["rank", "x", "--time-budget", "-5s"], "expected a time above zero, found '-5s'"),
        (["depth", "x", "--source", "y", "--time-budget", "-0.5h"], "expected a time above zero, found '-0.5h'"),
        (["fit", "x", "--source", "y", "--time-budget", "-5"], "expected a time above zero, found '-5'"),
        (["fit", "x", "--source", "y", "--time-budget", "0s"], "expected a time above zero, found '0s'"),
        (["zoo", "page", "--time-budget", "-5s"], "expected a time above zero, found '-5s'"),
        (["rank", "x", "--input-size", "-1"], "expected a whole number above zero, found -1"),
        (["zoo", "search", "x", "--limit", "0"], "expected a whole number above zero, found 0"),
        (["inspect"], "the following arguments are required: SOURCE"),
        (["cache", "burn"], "invalid choice: 'burn'; known names: info, trim, clear; `regraft cache --help`"),
        (["zoo", "lst"], "; nearest known names: list; `regraft zoo --help`"),
        (["zoo", "list", "--knd", "run"], "unknown option '--knd'; nearest known names: --kind"),
        (["zoo", "list", "a", "b", "c"], "unknown argument 'a'; `regraft zoo list --help`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words_are_refused_in_one_line(words, expected, say):
    said = say(*words)
    assert said.status == 2
    assert expected in said.refusal


def failing(monkeypatch, error):
    def run(arguments):
        raise error

    monkeypatch.setattr(COMMANDS["cache"], "run", run)


def test_a_failed_proof_has_status_1(say, monkeypatch):
    failing(monkeypatch, ProofError("a frozen variable moved"))
    said = say("cache", "info")
    assert (said.status, said.refusal) == (1, "regraft: a frozen variable moved")


def test_an_unexpected_error_is_one_line(say, monkeypatch):
    monkeypatch.delenv("REGRAFT_TRACEBACK", raising=False)
    failing(monkeypatch, KeyError("one\ntwo"))
    said = say("cache", "info")
    assert said.status == 1
    assert "unexpected KeyError: 'one\\ntwo'; run again with REGRAFT_TRACEBACK=1" in said.refusal


def test_the_traceback_of_an_unexpected_error_is_shown_to_whoever_asks(say, monkeypatch):
    monkeypatch.setenv("REGRAFT_TRACEBACK", "1")
    failing(monkeypatch, KeyError("one"))
    said = say("cache", "info")
    assert said.status == 1
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1] == "regraft: unexpected KeyError: 'one'"


def test_an_interruption_has_status_130(say, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt())
    said = say("cache", "info")
    assert (said.status, said.refusal) == (130, "regraft: interrupted")


def test_what_libraries_print_is_not_on_standard_output(say, monkeypatch):
    from regraft.cli.cache import Cleared

    def run(arguments):
        print("Saved artifact at ...")
        return Cleared("folder", 3)

    monkeypatch.setattr(COMMANDS["cache"], "run", run)
    said = say("cache", "info", "--json")
    assert said.document == {"folder": "folder", "freed": 3}
    assert said.err == "Saved artifact at ...\n"


def test_json_is_utf_8_whatever_the_terminal_is(place):
    code = (
        "import sys; from regraft.cli import start; from regraft.cli.cache import Cleared; "
        "start.COMMANDS['cache'].run = lambda arguments: Cleared('\\u00e9\\u4e2d', 1); "
        "sys.exit(start.main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for words, expected in ((["--json"], "é中".encode()), ([], b"1 B freed in ??")):
        done = subprocess.run(
            [sys.executable, "-c", code, "cache", "info", *words], capture_output=True, env=environment
        )
        assert done.returncode == 0
        assert expected in done.stdout


def test_a_reader_who_leaves_is_no_error(place):
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "regraft", "inspect", str(place / "network.keras")]
    with subprocess.Popen(words, stdout=write, stderr=subprocess.PIPE) as process:
        os.close(write)
        _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without space")  # noqa: PTH110
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_an_error(unbuffered):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        words = [sys.executable, "-m", "regraft", "--help"]
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_main_is_the_entry_point():
    assert main(["--version"]) == 0
