import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core import plan as plans
from regraft.core.head_spec import HeadSpec, NewLayersSpec
from regraft.core.phase import Phase, Rate
from regraft.core.plan import FineTuneSpec, Plan
from regraft.recipes import run_folder
from tests.cli.conftest import QUICK, network, write_pictures

KEYS = {
    *("run", "model", "report", "classes", "cut_point", "reused_layers", "frozen_variables", "trainable_variables"),
    *("metrics", "baselines", "transfer_gain", "load", "certificate", "cache", "seconds"),
}


def test_the_document(place, tmp_path, say):
    said = say("fit", place / "pictures", "--source", place / "network.keras", "--out", tmp_path / "run", "--json")
    assert said.status == 0
    made = said.document
    assert set(made) >= KEYS
    assert made["classes"] == ["blue", "green", "red"]
    for split in ("validation", "test"):
        accuracy = made["metrics"][split]["accuracy"]
        assert accuracy["interval"][0] <= accuracy["value"] <= accuracy["interval"][1]
    assert set(made["load"]) >= {"loaded", "renamed", "skipped", "missing", "unused"}
    assert set(made["cache"]) == {"bytes", "hits", "computed"}
    assert set(made["seconds"]) >= {"open", "activations", "head", "fine_tune", "report", "total"}
    assert set(made["baselines"]) == {"majority", "nearest_neighbour", "scratch", "random_trunk", "raw_inputs"}
    assert set(made["gains"]) == {"scratch", "random_trunk", "raw_inputs"}
    assert made["gains"]["scratch"] == made["transfer_gain"]
    assert made["certificate"]["frozen_unchanged"] is True
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == made


def test_the_summary(place, tmp_path, say, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = say("fit", place / "pictures", "--source", place / "network.keras", "--out", "a run", *QUICK)
    assert said.status == 0
    assert "this model" in said.out
    assert "majority class" in said.out
    assert "byte for byte the source's" in said.out
    assert "a run/report.html" in said.out
    assert "regraft predict 'a run' PICTURES" in said.out
    assert max(map(len, said.out.splitlines())) <= 100
    assert "cut at" in said.err


def test_without_out_the_run_goes_below_regraft_runs(place, tmp_path, say, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = say("fit", place / "pictures", "--source", place / "network.keras", *QUICK, "--json")
    assert said.document["run"].startswith("regraft-runs")
    assert (tmp_path / said.document["run"] / "model.keras").exists()


def test_a_plan_is_done_again_and_options_go_before_it(place, tmp_path, say):
    plan = place / "run" / "plan.toml"
    again = say("fit", "--plan", plan, "--out", tmp_path / "again", "--json").document
    first = json.loads((place / "run" / "run.json").read_text())
    assert again["metrics"] == first["metrics"]
    changed = say("fit", "--plan", plan, "--seed", 5, "--out", tmp_path / "changed", "--json").document
    assert (changed["plan"]["seed"], changed["plan"]["cut_point"]) == (5, first["cut_point"])


def test_another_source_takes_nothing_from_the_plan_that_belongs_to_the_old_one(place):
    from regraft.cli import arguments, fit

    parser = arguments.new("fit", fit.SUMMARY, fit.EXAMPLE)
    fit.add(parser)
    plan = place / "run" / "plan.toml"
    assert plans.read(plan).input is not None
    words = ["--plan", str(plan), "--source", "keras:MobileNetV2", "--views", "3", "--fine-tune", "yes", "--strict"]
    made = fit.plan_of(parser.parse_args(words))
    assert (made.source, made.input, made.views, made.strict) == ("keras:MobileNetV2", None, 3, True)
    assert made.fine_tune.enabled == "yes"
    assert made.augment == plans.CHANGES
    assert fit.plan_of(parser.parse_args([*words, "--augment", "crop,colour"])).augment == ("crop", "colour")
    assert fit.plan_of(parser.parse_args([*words[:4], "--augment", "none"])).augment == ()
    assert made.decoding is None
    assert fit.plan_of(parser.parse_args([*words, "--decoding", "draft"])).decoding == "draft"


def plan_of(*words):
    from regraft.cli import arguments, fit

    parser = arguments.new("fit", fit.SUMMARY, fit.EXAMPLE)
    fit.add(parser)
    return fit.plan_of(parser.parse_args([str(word) for word in words]))


def test_options_of_all_phases_go_before_the_plan_and_a_ready_made_one_is_named(place, tmp_path):
    said = ("--optimizer", "adamw", "--rate", "find", "--schedule", "linear", "--epochs", "3", "--batch-size", "8")
    spec = plan_of(place, "--source", "x.keras", "--plan", "gradual-unfreezing", "--fine-tune", "yes", *said).fine_tune
    assert (spec.strategy, spec.enabled) == ("gradual-unfreezing", "yes")
    assert (spec.optimizer, spec.rate, spec.schedule, spec.epochs, spec.batch_size) == ("adamw", "find", "linear", 3, 8)
    phases = tuple(Phase(name=name) for name in ("upper", "all"))
    plans.write(tmp_path / "mine.toml", Plan("x.keras", str(place), fine_tune=FineTuneSpec(phases=phases)))
    spec = plan_of("--plan", tmp_path / "mine.toml", *said[:2], "--rate", "0.01").fine_tune
    assert [(phase.name, phase.optimizer, phase.rate) for phase in spec.phases] == [
        ("upper", "adamw", 0.01),
        ("all", "adamw", 0.01),
    ]


def test_strict_and_lenient_go_before_what_the_plan_says_of_them(place, tmp_path):
    file = tmp_path / "mine.toml"
    for strict, lenient in ((True, False), (False, True), (False, False)):
        plans.write(file, Plan("x.keras", str(place), strict=strict, lenient=lenient))
        for words, said in ((), (strict, lenient)), (("--strict",), (True, False)), (("--lenient",), (False, True)):
            made = plan_of("--plan", file, *words)
            assert (made.strict, made.lenient) == said


def test_new_layers_go_before_those_of_the_plan(place, tmp_path):
    assert plan_of(place, "--source", "x.keras", "--hidden", "128,64").head.hidden == (128, 64)
    learning = NewLayersSpec(epochs=3, rates=(Rate("head.*", 0.1),))
    plan = Plan("x.keras", str(place), head=HeadSpec(hidden=(8,), learning=learning, folds=3))
    plans.write(tmp_path / "mine.toml", plan)
    words = ("--plan", tmp_path / "mine.toml", "--hidden")
    assert plan_of(*words, "8").head == plan.head
    # How the others learnt says nothing of these.
    assert plan_of(*words, "8,4").head == HeadSpec(hidden=(8, 4), folds=3)
    assert plan_of(*words, "none").head == HeadSpec(folds=3)


def test_a_ready_made_plan_is_done_and_written_out(place, tmp_path, say):
    words = ("--source", place / "network.keras", "--no-baselines", "--views", 1, "--refit", "no", "--json")
    said = say("fit", place / "pictures", *words, "--plan", "whole-network", "--epochs", 2, "--out", tmp_path / "run")
    assert said.status == 0
    spec = said.document["plan"]["fine_tune"]
    assert (spec["strategy"], spec["from_cut"], spec["phases"][0]["name"]) == (
        "whole-network",
        "rescaling",
        "whole-network",
    )
    assert said.document["certificate"]["frozen_unchanged"] is True
    assert said.document["phases"][0]["certificate"]["learning"] > 2
    again = say("fit", "--plan", tmp_path / "run" / "plan.toml", "--out", tmp_path / "again", "--json").document
    assert again["metrics"] == said.document["metrics"]
    refusal = refused(say, "--plan", tmp_path / "run" / "plan.toml", "--rate", "0.1")
    assert refusal[0] == 2
    assert "the rates of phase 'whole-network' are written out in the plan" in refusal[1]


def test_augmentation_that_cannot_be_is_refused(place, tmp_path, say):
    given = (place / "pictures", "--source", place / "network.keras", "--out", tmp_path / "run")
    status, line = refused(say, *given, "--augment", "flip,color")
    assert status == 2
    assert "unknown augmentation 'color': expected some of flip, crop, colour, or none" in line
    status, line = refused(say, *given, "--augment", "none", "--views", 2)
    assert status == 2
    assert "expected views from 1 to 1 without augmentation; give fewer" in line
    assert not (tmp_path / "run").exists()


def refused(say, *words):
    said = say("fit", *words)
    return said.status, said.refusal


def test_bad_data(place, tmp_path, say):
    source = ("--source", place / "network.keras", "--out", tmp_path / "run")
    (tmp_path / "empty").mkdir()
    write_pictures(tmp_path / "one", 3, ("red",))
    for name in ("letters", "notes"):
        (tmp_path / "texts" / name).mkdir(parents=True)
        (tmp_path / "texts" / name / "a.pdf").write_text("no picture")
    (tmp_path / "names.csv").write_text("path,label\ngone.png,a\nlost.png,b\n")
    for data, *expected in (
        ("pictures-", "pictures-", "there is no such file or folder"),
        ("empty", "empty"),
        ("one", "expected at least two classes", "only 'red'"),
        ("texts", "texts"),
        ("names.csv", "gone.png"),
    ):
        status, line = refused(say, tmp_path / data, *source)
        assert status == 2
        for part in expected:
            assert part in line, (data, line)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_read_is_left_out_and_strict_refuses_it(place, tmp_path, say):
    data = write_pictures(tmp_path / "data")
    whole = (data / "red" / "03.png").read_bytes()
    (data / "red" / "03.png").write_bytes(whole[: len(whole) // 2])
    (data / "green" / "fake.jpg").write_text("I am no picture")
    (data / "lonely").mkdir()
    Image.new("RGB", (16, 16), "white").save(data / "lonely" / "only.png")
    words = ("fit", data, "--source", place / "network.keras", *QUICK, "--json")
    said = say(*words, "--out", tmp_path / "run")
    assert said.status == 0
    assert "fake.jpg" in said.err
    assert "a class with a single example cannot be validated: 'lonely'" in said.err
    assert "03.png" in "".join(said.document["data"]["left_out"])
    assert sum(said.document["data"]["examples"].values()) == 3 * 14 - 1 + 1
    status, line = refused(say, *words[1:], "--strict", "--out", tmp_path / "strict")
    assert status == 2
    assert "fake.jpg" in line
    assert not (tmp_path / "strict").exists()


def test_bad_sources(place, tmp_path, say):
    broken = network()
    kernel = broken.get_layer("conv1").kernel
    kernel.assign(np.full(kernel.shape, np.nan, "float32"))
    broken.save(tmp_path / "nan.keras")
    import keras

    keras.Sequential([keras.Input((7,)), keras.layers.Dense(3, name="top")]).save(tmp_path / "flat.keras")
    (tmp_path / "text.keras").write_text("no network")
    for source, status, expected in (
        ("nan.keras", 2, "found NaN or infinity in 1 of the variables"),
        ("flat.keras", 2, "expected an input that takes pictures"),
        ("text.keras", 2, "of no known format"),
        ("absent.keras", 2, "no file or folder"),
    ):
        found, line = refused(say, place / "pictures", "--source", tmp_path / source, "--out", tmp_path / "run", *QUICK)
        assert (found, expected in line) == (status, True), line


def test_bad_wishes(place, tmp_path, say):
    words = (place / "pictures", "--source", place / "network.keras")
    below = tmp_path / "file" / "run"
    below.parent.write_text("no folder")
    for more, status, expected in (
        (("--out", below), 1, "cannot write"),
        (("--out", place / "run"), 2, "holds a finished run"),
        (("--out", place / "pictures"), 2, "is not empty and holds no run"),
        (("--preprocessing", "caffee"), 2, "unknown preprocessing 'caffee'"),
        (("--cut-point", "conv9", "--out", tmp_path / "run"), 2, "'conv9' is not a cut point"),
        (("--plan", tmp_path / "absent.toml"), 2, "cannot read plan"),
        (("--plan", "gradul-unfreezing"), 2, "no ready-made plan 'gradul-unfreezing'; nearest known names: gradual-"),
        (("--plan", "last-0"), 2, "there are: auto, feature-extraction, head-then-fine-tune, last-N,"),
        (("--rate", "0"), 2, "argument --rate: expected a number above zero, or find, found 0"),
        (("--rate", "fast"), 2, "expected a number above zero, or find, found fast"),
        (("--hidden", "128,wide"), 2, "argument --hidden: expected widths of new layers (hidden) as whole numbers"),
        (("--hidden", "0"), 2, "argument --hidden: expected widths of new layers (hidden) from 1 to 16,384, found 0"),
        (("--epochs", "0"), 2, "expected a whole number above zero, found 0"),
        (("--schedule", "cosin"), 2, "argument --schedule: invalid choice: 'cosin'"),
    ):
        found, line = refused(say, *words, *more, *QUICK)
        assert (found, expected in line) == (status, True), line
    assert "say --source" in refused(say, place / "pictures")[1]
    assert "say DATA" in refused(say, "--source", place / "network.keras")[1]


def test_one_folder_is_for_one_process(place, tmp_path, say):
    with run_folder.held(tmp_path / "run"):
        status, line = refused(say, place / "pictures", "--source", place / "network.keras", "--out", tmp_path / "run")
    assert status == 1
    assert f"process {os.getpid()} is at work in" in line


@contextlib.contextmanager
def started(*words):
    """Run the command as a terminal does, which Ctrl-C reaches, and leave no process behind.

    What runs in the background of a script is made deaf to Ctrl-C, and whatever it starts inherits that.
    """
    hears = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    command = [sys.executable, "-m", "regraft", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hears) as process:
        try:
            yield process
        finally:
            process.kill()


# Ctrl-C reaches it as it does one of a terminal, however deaf the process is that it is a fork of.
FORKED = """
import os, signal, sys
from regraft.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 2)
os._exit(main(sys.argv[2:]))
"""


@contextlib.contextmanager
def endless(place, tmp_path, forking):
    """A run whose fine-tuning takes for ever, and is under way; and the file of what it says."""
    plan = plans.Plan(
        source=str(place / "network.keras"),
        data=str(place / "pictures"),
        baselines="no",
        refit="no",
        fine_tune=plans.FineTuneSpec(enabled="yes", epochs=100_000),
    )
    plans.write(tmp_path / "plan.toml", plan)
    words = ("fit", "--plan", tmp_path / "plan.toml", "--out", tmp_path / "run", "--cache", tmp_path / "cache")
    process = forking.start(FORKED, tmp_path / "said", *words)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / run_folder.CHECKPOINT).exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        estimate, first, *_ = (tmp_path / "said").read_text().splitlines()
        assert estimate.startswith("activations of 42 examples: averages"), estimate
        assert first.startswith("cut at"), first
        yield process, tmp_path / "said"
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_ctrl_c_while_layers_learn_ends_with_the_best_so_far(place, tmp_path, forking, say):
    with endless(place, tmp_path, forking) as (process, said):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130
    rest = said.read_text()
    assert "ending the phase 'fine-tune' with the best so far" in rest
    assert "Traceback" not in rest
    record = run_folder.read(tmp_path / "run")
    assert record.interrupted
    assert "phase 'fine-tune' was ended by hand in epoch" in " ".join(record.warnings)
    assert not list((tmp_path / "run").glob("*.checkpoint.npz"))
    assert say("evaluate", tmp_path / "run", place / "pictures", "--json").status == 0


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_resume_finishes(place, tmp_path, forking, say):
    out, cache = tmp_path / "run", tmp_path / "cache"
    with endless(place, tmp_path, forking) as (process, told):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    rest = told.read_text()
    assert rest.splitlines()[-1] == f"regraft: interrupted; `regraft resume {out}` goes on from here"
    assert "Traceback" not in rest
    plans.write(out / run_folder.ASKED, plans.read(out / run_folder.PLAN))
    # As impatient as the user was: the same run with three epochs.
    for name in (run_folder.PLAN, run_folder.ASKED):
        text = (out / name).read_text()
        (out / name).write_text(text.replace("epochs = 100000", "epochs = 3"))
    for checkpoint in out.glob("*.npz"):
        checkpoint.unlink()
    said = say("resume", out, "--cache", cache, "--json")
    assert said.status == 0
    assert said.document["cache"]["hits"] > 0
    assert (out / "report.html").exists()


def test_ctrl_c_while_frameworks_are_imported_is_one_line(place, tmp_path):
    with started("fit", place / "pictures", "--source", place / "network.keras", "--out", tmp_path / "run") as process:
        loaded, deadline = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
        # Where the system does not tell what is loaded, a second is about right.
        time.sleep(0.1 if loaded.exists() else 1)
        while loaded.exists() and "tensorflow" not in loaded.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "regraft: interrupted\n"


def test_a_budget_is_a_size(place, tmp_path, say):
    said = say("fit", place / "pictures", "--source", place / "network.keras", "--cache-budget", "much")
    assert said.status == 2
    assert "argument --cache-budget: expected a size such as 500MB or 2GB, found 'much'" in said.err


def test_a_budget_is_said_before_anything_runs(place, tmp_path, say):
    options = ("--cache-budget", "1GB", "--dtype", "float16", "--out", tmp_path / "run", "--json", *QUICK)
    said = say("fit", place / "pictures", "--source", place / "network.keras", *options)
    assert said.status == 0
    assert said.document["activations"]["budget"] == 10**9
    assert said.document["plan"]["dtype"] in ("float32", "float16")
    assert "averages" in said.err
    assert "in all" in said.err
