"""`fit`, `resume`, and what one does with a finished run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import keras

from regraft import data as data_room
from regraft.activations.store import Store
from regraft.core import columns as columns_
from regraft.core import durations, storage
from regraft.core import plan as plans
from regraft.core.card import is_source
from regraft.core.columns import Said
from regraft.core.depth import DepthRecord
from regraft.core.errors import RequestError
from regraft.core.head_spec import HeadSpec, widths
from regraft.core.input_spec import Decoding, InputSpec
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.progress import collecting_warnings, say, warn
from regraft.core.records import RunRecord
from regraft.core.text_spec import Unit
from regraft.importers import Pretrained
from regraft.importers import open as open_source
from regraft.recipes import ready_made, run_folder
from regraft.recipes.clock import Clock
from regraft.recipes.depth import halving, recording
from regraft.recipes.depth.folder import PAGE
from regraft.recipes.depth.searching import prepare, search
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.encoding import encoded
from regraft.recipes.keeping import require_engine
from regraft.recipes.transfer import transfer
from regraft.surgery.resize import with_input_size
from regraft.training import kinds

Choice = Literal["auto", "yes", "no"]
Dtype = Literal["auto", "float32", "float16", "int8"]
Engine = Literal["auto", "keras", "openvino", "onnxruntime", "ray"]

_IN_MEMORY = "model "


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        folder: where everything of it is.
        record: everything that it is known by.
        model: the deployable model: raw examples in, probabilities out.
    """

    folder: Path
    record: RunRecord
    model: keras.Model


def fit(
    data: Any,
    source: str | os.PathLike[str] | keras.Model | Pretrained | None = None,
    *,
    plan: Plan | str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    labels: Any = None,
    architecture: str | None = None,
    preprocessing: str | None = None,
    input_size: int | None = None,
    decoding: Decoding | None = None,
    cut_point: str = plans.AUTO,
    hidden: str | Sequence[int] = (),
    fine_tune: Choice = "auto",
    views: int | None = None,
    augment: str | Sequence[str] = plans.CHANGES,
    refit: Literal["auto", "yes", "anew", "no"] = "auto",
    baselines: Choice = "auto",
    strict: bool = False,
    lenient: bool = False,
    trust: bool = False,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    cache_limit: int | None = None,
    cache_budget: str | int | None = None,
    dtype: Dtype = "auto",
    engine: Engine = "auto",
    time_budget: str | float | None = None,
    columns: Said = None,
    tokens: Unit | None = None,
    vocabulary: str | os.PathLike[str] | None = None,
) -> Run:
    """Get the best model for your examples out of a pretrained network.

    Args:
        data: a folder with one sub-folder per class, a `.csv`, `.tsv`, `.jsonl`, `.parquet` or `.npz` file, arrays, a
            pair of texts and labels, a `pandas.DataFrame`, a `tf.data.Dataset`, or a Hugging Face data set.
        source: what `regraft.open` takes, or what it returned.
        plan: a whole plan, or the file of one; `source`, where given, takes the place of the plan's, and of the
            arguments below only `out`, `labels`, `cache`, `cache_limit` and `time_budget` are looked at. Or the name
            of a ready-made plan, such as `gradual-unfreezing` or `last-20`, which says what learns, beside all other
            arguments.
        out: the run folder; by default a new one below `regraft-runs`.
        labels: for data that does not hold them.
        architecture: for a source that holds only weights.
        preprocessing: overrides the source's own input convention.
        input_size: height and width that pictures are brought to; the network is rebuilt for it with the same weights.
        decoding: `draft` lets JPEG files be decoded at a half, a quarter or an eighth of their size, where that is at
            least twice the network's; by default `full`, every pixel.
        cut_point: the head stands here; by default the best by probing all.
        hidden: widths of new layers between the reused ones and the head, from the lowest upwards, such as
            `(128, 64)`; they learn first, all reused layers frozen.
        fine_tune: whether the upper reused layers learn; `auto` keeps the result only if it is better on validation.
        views: true views per training example while fine-tuning; by default from how many examples there are.
        augment: what views may differ from the picture by: some of `flip`, `crop`, `colour`, or `none`. Leave out
            `flip` where left and right mean something, as in digits, letters and signs.
        refit: whether the model learns from the validation examples too, once they have chosen all there was to choose;
            `auto`: where training examples are few.
        baselines: `auto` leaves out the network from scratch where that takes long.
        strict: an unreadable example is an error; so is a column that is left out, or a text longer than the network
            sees.
        lenient: a column of a table with one value in all training examples, or with none, and a text file in another
            encoding than is said are left out with a warning; else these are errors, the columns unless the source
            knows its own.
        trust: let Python code in the source run, such as Lambda layers; only where you trust its author.
        seed: of every random choice.
        cache: folder of the activations; by default `REGRAFT_CACHE` or the platform's cache folder.
        cache_limit: bytes that it may take, above which the least recently used activations are removed; by default
            `REGRAFT_CACHE_LIMIT`.
        cache_budget: how much the activations may take, such as `2GB`; what is given up for it is said before anything
            runs.
        dtype: how whole activations are kept; `auto`: in float32 unless the budget or the disk asks for less.
        engine: what runs the frozen layers.
        time_budget: seconds, or a text such as `10m`, for all of it: how many layers to reuse, to freeze and to train
            is then found by trying, as `regraft.depth` does it; by default by quick probes and by what training costs.
        columns: of a table of texts, or of numbers and categories: which hold what, and how its file is written: a
            `core.columns.Columns`, or a dictionary such as `{"label": "kind", "text": "message"}`; by default told
            by their names.
        tokens: what texts are taken apart into, `characters`, `words` or `subwords`, where the source does not say.
        vocabulary: a file that says which token has which id, where the source does not; by default learnt from the
            training examples.

    Returns:
        The finished run; its folder holds `model.keras`, `report.html`, `plan.toml`, `run.json`, `report.npz`,
        `history.csv` and a model card.

    Raises:
        RequestError: the request was wrong.
        WorkError: the work failed, or a proof did not hold.
    """
    clock = Clock()
    if out is not None:
        run_folder.require_free(Path(out))
    given = plan if isinstance(plan, Plan) else ready_made.named(plan) if plan is not None else FineTuneSpec()
    if isinstance(given, Plan) and source is not None:
        given = plans.with_source(given, describe(source))
    asked = (
        given
        if isinstance(given, Plan)
        else Plan(
            source=describe(source),
            architecture=architecture,
            preprocessing=preprocessing,
            input_size=input_size,
            decoding=decoding,
            cut_point=cut_point,
            head=HeadSpec(hidden=widths(hidden)),
            views=views,
            augment=plans.changes(augment),
            refit=refit,
            baselines=baselines,
            strict=strict,
            lenient=lenient,
            trust=trust,
            seed=seed,
            cache_budget=cache_budget,
            dtype=dtype,
            engine=engine,
            fine_tune=replace(given, enabled=fine_tune),
            columns=columns_.of(columns),
            tokens=tokens,
            vocabulary=None if vocabulary is None else os.fspath(vocabulary),
        )
    )
    require_phases(asked)
    require_engine(asked)
    deadline = None if time_budget is None else _deadline(asked, time_budget)
    with collecting_warnings() as warned:
        with clock.stage("open"):
            examples = data_room.open(
                data,
                labels=labels,
                split=asked.split,
                strict=asked.strict,
                lenient=asked.lenient,
                columns=asked.columns,
            )
            pretrained = encoded(open_for(asked, source), examples, asked)
        if asked.trust:
            warn(f"Python code in '{asked.source}' was allowed to run, as it was said to be trusted")
        if asked.data_digest not in (None, examples.digest()):
            warn("the examples are not those that the plan was made for; the result will be another one")
    named = storage.absolute(data) if isinstance(data, (str, os.PathLike)) else examples.origin
    asked = replace(asked, source=lasting(asked.source, pretrained), data=named, data_digest=examples.digest())
    asked = replace(asked, columns=examples.columns)
    folder = Path(out) if out is not None else run_folder.default_folder(named, asked.source)
    store = Store(Path(cache) if cache else None, cache_limit)
    budget = None if deadline is None else deadline.seconds
    led = recording.gone_on_from(folder, asked, budget, len(examples.indices("train")))
    if led is not None:
        # It was killed after its search, and goes on from there; what there was time for does not begin anew.
        clock.add(led.seconds)
        deadline = Deadline(led.budget, led.seconds["total"])
        warned = list(dict.fromkeys((*led.warnings, *warned)))
    elif deadline is not None:
        led = _searched(pretrained, examples, asked, folder, store, deadline, clock, warned)
        warned = list(led.warnings)
    if led is not None:
        asked = led.plan
        say(led.recommended.sentence)
    model, record = transfer(pretrained, examples, asked, folder, store, clock, tuple(warned), deadline, led)
    if led is not None:
        say(f"what else was tried, and how sure the choice is: {folder / PAGE}")
    return Run(folder, record, model)


def _deadline(plan: Plan, budget: str | float) -> Deadline:
    """When to be done.

    Raises:
        RequestError: it is no duration, or the plan leaves nothing to search for.
    """
    spec = plan.fine_tune
    said = [value for value in (plan.cut_point, spec.from_cut, spec.strategy) if value != plans.AUTO]
    if said or spec.phases or plan.head.taps:
        raise RequestError(
            "a time budget is for finding what to reuse and what to train, and the plan says that already; leave out "
            "the one or the other"
        )
    return Deadline(durations.parse(budget, "a time budget"))


def _searched(
    pretrained: Pretrained,
    examples: data_room.Examples,
    plan: Plan,
    folder: Path,
    store: Store,
    deadline: Deadline,
    clock: Clock,
    warned: Sequence[str],
) -> DepthRecord:
    """What a search found that goes by a plan."""
    with collecting_warnings() as more, clock.stage("search"):
        prepared = prepare(pretrained, examples, plan, store)
        # Only now: how long it took so far tells how long the report will take.
        deadline.reserve(compared=plan.baselines != "no")
        found = search(prepared, deadline, lambda study: halving.work(study, prepared.trier, deadline), forecasts=False)
    return recording.record_of(folder, plan, examples, found, deadline.seconds, clock, (*warned, *more))


def require_phases(plan: Plan) -> None:
    """Refuse phases that cannot be: an unknown strategy, optimizer or option.

    Raises:
        RequestError: what is wrong.
    """
    ready_made.require(plan.fine_tune)
    learning = [plan.head.learning] if plan.head.learning else []
    for phase in (*learning, *(plan.fine_tune.sequence if plan.fine_tune.enabled != "no" else ())):
        kinds.make(phase, 1e-3)


def open_for(plan: Plan, source: Any = None) -> Pretrained:
    """The plan's source, built for the plan's picture size, with the plan's input convention."""
    pretrained = source
    if not isinstance(source, Pretrained):
        pretrained = open_source(
            plan.source if source is None else source,
            architecture=plan.architecture,
            preprocessing=plan.preprocessing,
            input_size=plan.input_size,
            trust=plan.trust,
        )
    inputs: InputSpec = pretrained.inputs
    if plan.input is not None and (plan.preprocessing is None or plan.input.table is not None):
        inputs = replace(plan.input, shape=inputs.shape)
    if isinstance(source, Pretrained) and plan.preprocessing is not None:
        inputs = inputs.with_convention(plan.preprocessing)
    if plan.decoding is not None:
        inputs = inputs.with_decoding(plan.decoding)
    if not inputs.is_picture:
        return replace(pretrained, inputs=inputs)
    inputs = inputs.with_size(plan.input_size or inputs.shape[0], plan.input_size or inputs.shape[1])
    built = tuple(pretrained.model.inputs[0].shape[1:]) == inputs.shape
    model = pretrained.model if built else with_input_size(pretrained.model, inputs.shape[0], inputs.shape[1])
    return replace(pretrained, model=model, inputs=inputs)


def resume(
    folder: str | os.PathLike[str],
    *,
    data: Any = None,
    labels: Any = None,
    source: keras.Model | Pretrained | None = None,
    cache: str | os.PathLike[str] | None = None,
    cache_limit: int | None = None,
    trust: bool = False,
) -> Run:
    """Finish a run that was interrupted: what was computed is not computed again.

    Args:
        folder: of the run; a finished one is loaded.
        data: the same examples again, where they were given in memory.
        labels: likewise.
        source: the same model again, where it was given in memory.
        cache: as `fit` was given it.
        cache_limit: likewise.
        trust: let Python code in the source run; needed again where `fit` was told so.

    Raises:
        RequestError: there is no run in the folder, or what it was made from cannot be opened again.
    """
    folder = Path(folder)
    if (folder / run_folder.RECORD).exists():
        run_folder.tidy(folder)
        return load(folder, trust=trust)
    asked = run_folder.asked_plan(folder)
    if asked.trust and not trust:
        raise RequestError(
            f"the run in '{folder}' lets Python code in '{asked.source}' run; where you trust its author, say so "
            "again: --trust, or trust=True"
        )
    if data is None and not Path(asked.data).exists():
        raise RequestError(
            f"the run in '{folder}' took its examples from '{asked.data or 'memory'}', which is not there; "
            "put them back, or call regraft.resume with the same examples as data="
        )
    if source is None and asked.source.startswith(_IN_MEMORY):
        raise RequestError(
            f"the run in '{folder}' reuses a model that was given in memory ({asked.source}); "
            "call regraft.resume with the same model as source="
        )
    given = asked.data if data is None else data
    return fit(given, source, plan=asked, out=folder, labels=labels, cache=cache, cache_limit=cache_limit)


def load(folder: str | os.PathLike[str], *, trust: bool = False) -> Run:
    """A finished run, from its folder.

    Args:
        folder: of the run.
        trust: let Python code in its model run, such as Lambda layers of the source; a folder may come from anyone.

    Raises:
        RequestError: the folder holds no finished run, or a model with code in it that is not trusted.
        CorruptFileError: its model is truncated or was altered.
    """
    folder = Path(folder)
    return Run(folder, run_folder.read(folder), run_folder.load_model(folder, trust))


def lasting(source: str, pretrained: Pretrained) -> str:
    """The source so that it means the same anywhere and at any time: a path from the root, a version by its number."""
    return pretrained.source if is_source(source) else storage.absolute(source)


def describe(source: Any) -> str:
    """The source as the plan names it."""
    if source is None:
        raise RequestError("expected a source: a file, keras:NAME, or a keras.Model; say --source, or give a plan")
    if isinstance(source, Pretrained):
        return source.source
    return f"{_IN_MEMORY}'{source.name}'" if isinstance(source, keras.Model) else os.fspath(source)
