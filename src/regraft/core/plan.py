"""The plan: the one document that says what a transfer does. The command line writes it, training obeys it."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from regraft.core import plain, sharing, sizes, storage
from regraft.core.checks import refuse_both
from regraft.core.columns import Columns
from regraft.core.errors import RequestError
from regraft.core.head_spec import NEW_LAYERS, NEW_LAYERS_REFIT, HeadSpec
from regraft.core.input_spec import Decoding, InputSpec
from regraft.core.phase import AVERAGED, Phase
from regraft.core.text_spec import Unit

FORMAT = 1

AUTO = "auto"

# What views of a picture may differ from it by.
Change = Literal["flip", "crop", "colour"]
CHANGES: tuple[Change, ...] = get_args(Change)
# Each view is a pass of the trunk; nobody can want so many.
MOST_VIEWS = 1000


# What a run calls what it does before and after the phases.
_TAKEN = ("head", "average", "refit", NEW_LAYERS, NEW_LAYERS_REFIT)


@dataclass(frozen=True, slots=True)
class FineTuneSpec(Phase):
    """The phases in which the upper reused layers learn, starting from the trained head.

    What it says as a phase is the only one, or what the phases of a strategy have in common. A moving average of the
    weights is kept unless it says otherwise: single weights scatter at these rates. On flowers the loss rose by 65 % in
    the first epoch, where that of the average fell by 3 % (medians of ten seeds), with the same end.

    Attributes:
        enabled: `auto` keeps the result only when validation says that it helps.
        from_cut: the layers above this cut point learn, all of them where it is `input`; `auto`: the highest cut point
            below all that some phase lets learn, and chosen by cost where phases do not name layers.
        average: where on the straight line from the head alone (0) to the end of training (1) the weights are taken,
            WiSE-FT (Wortsman et al. 2022); `auto`: where validation's log loss is least.
        strategy: how phases are made of this one where there are none: see `training/strategies.py`.
        phases: written out, one after the other; empty: made by the strategy, and written out in the resolved plan.
    """

    moving_average: float = field(default=AVERAGED, kw_only=True)
    enabled: Literal["auto", "yes", "no"] = AUTO
    from_cut: str = AUTO
    average: float | Literal["auto"] = 0.5
    strategy: str = AUTO
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an average that would be the head alone, or beyond what was learnt, and phases of one name."""
        # Spelt out: a dataclass with slots is another class than the one that `super()` would know.
        Phase.__post_init__(self)
        if not isinstance(self.average, str) and not 0 < self.average <= 1:
            raise RequestError(
                f"expected the plan's fine_tune.average above 0 (the head alone) and up to 1, found {self.average}"
            )
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise RequestError(f"expected phases of different names in the plan's fine_tune.phases, found {names}")
        for name in names:
            if name in _TAKEN:
                raise RequestError(
                    f"expected another name of a phase than {', '.join(_TAKEN)}, which runs have, found '{name}'"
                )

    @property
    def sequence(self) -> tuple[Phase, ...]:
        """The phases, one after the other."""
        return self.phases or (Phase.of(self),)


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """How examples without a stated split are divided, by the hash of their content.

    Attributes:
        validation: the part used for choices.
        test: the part never used for a choice.
    """

    validation: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        """Refuse parts that leave nothing to learn from."""
        if not (0 <= self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test < 1):
            raise RequestError(
                "expected validation and test parts that leave something to train on, "
                f"found {self.validation} and {self.test}"
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """One transfer, whole.

    Attributes:
        source: the source string, as `regraft.open` takes it.
        data: where the examples are, or a word for examples given in memory.
        data_digest: digest of the contents, labels and splits; a rerun says when they changed.
        architecture: for weight files without one.
        input: the input convention, resolved; None before the source is opened.
        input_size: pictures are brought to this height and width; None: the source's own.
        preprocessing: a convention's name or formula that overrides what the source states.
        decoding: how much of a picture file is decoded, see `InputSpec`; None: as `input` says, else all of it.
        columns: of a table of texts or rows: which hold what, as far as that was said; None: told by their names.
        tokens: what texts are taken apart into, where the source does not say; None: words.
        vocabulary: a file that says which token has which id, where the source does not; None: learnt from the training
            examples.
        cut_point: the head stands on this tensor; `auto`: chosen by probing.
        head: the new top.
        fine_tune: the phase after it.
        views: true views per training example, one drawn per epoch (1: the picture itself only; 2: and mirrored; 3: and
            a crop; more: crops in changed colours).
        augment: what views may differ from the picture by; views of a kind that is not named are left out, and the
            others move up. Leave out `flip` where left and right mean something, as in digits, letters and signs.
        split: how examples without a split are divided.
        refit: whether the model learns from the validation examples too, once all is chosen by them; `auto`: where
            training examples are few. The validation figures are those from before.
        baselines: `auto` leaves out what would cost more than the transfer itself.
        cache_budget: how much the activations may take, such as `2GB` or a number of bytes; None: as much as is left
            on the disk and sensible.
        dtype: how whole activations are kept; `auto`: in float32, and in less only where a budget or a small disk
            asks for it.
        engine: what runs the frozen layers.
        strict: an unreadable example is an error instead of a warning; so is a column that is left out, or a text that
            is longer than the network sees.
        lenient: a column of a table with one value in all training examples, or with none, and a text file in another
            encoding than is said are left out with a warning; else these are errors, the columns unless the source
            knows its own.
        trust: Python code that the source holds may be run. On the command line a plan's word alone is not enough.
        seed: of every random choice.
        format: version of this document.
    """

    source: str
    data: str = ""
    data_digest: str | None = None
    architecture: str | None = None
    input: InputSpec | None = None
    input_size: int | None = None
    preprocessing: str | None = None
    decoding: Decoding | None = None
    tokens: Unit | None = None
    vocabulary: str | None = None
    cut_point: str = AUTO
    views: int | None = None
    augment: tuple[Change, ...] = CHANGES
    refit: Literal["auto", "yes", "anew", "no"] = AUTO
    baselines: Literal["auto", "yes", "no"] = AUTO
    cache_budget: str | int | None = None
    dtype: Literal["auto", "float32", "float16", "int8"] = AUTO
    engine: Literal["auto", "keras", "openvino", "onnxruntime", "ray"] = AUTO
    strict: bool = False
    lenient: bool = False
    trust: bool = False
    seed: int = 0
    format: int = FORMAT
    head: HeadSpec = field(default_factory=HeadSpec)
    fine_tune: FineTuneSpec = field(default_factory=FineTuneSpec)
    split: SplitSpec = field(default_factory=SplitSpec)
    columns: Columns | None = None

    def __post_init__(self) -> None:
        """Refuse kinds of change that there are not, too many views, a budget that is no size, and contradictions."""
        refuse_both(self.strict, self.lenient)
        if self.cache_budget is not None:
            sizes.parse(self.cache_budget, "a cache budget")
        object.__setattr__(self, "augment", changes(self.augment))
        if self.views is None or 1 <= self.views <= most_views(self.augment):
            return
        kinds = "without augmentation" if not self.augment else f"by {', '.join(self.augment)} alone"
        means = f" {kinds}; give fewer, or let augment name crop or colour" if most_views(self.augment) <= 2 else ""
        raise RequestError(f"expected views from 1 to {most_views(self.augment)}{means}, found {self.views}")

    @property
    def budget(self) -> int | None:
        """The cache budget in bytes."""
        return None if self.cache_budget is None else sizes.parse(self.cache_budget)

    @property
    def read_columns(self) -> Columns | None:
        """The columns that the network of a finished run reads: without those that were left out as saying nothing."""
        table = self.input.table if self.input is not None else None
        if self.columns is None or table is None:
            return self.columns
        features = tuple(name for name in self.columns.features if name in table.names)
        categories = tuple(name for name in self.columns.categories if name in table.names)
        return replace(self.columns, features=features, categories=categories)

    @property
    def reads(self) -> tuple[str, ...]:
        """The cut points that the head of a resolved plan reads, from the lowest upwards."""
        return (*(self.head.taps or ()), self.cut_point)


def changes(given: str | Sequence[str]) -> tuple[Change, ...]:
    """Kinds of change as a plan has them, in their own order.

    >>> changes("crop,flip"), changes("none"), changes(["colour"])
    (('flip', 'crop'), (), ('colour',))

    Args:
        given: a sequence of them, or a text with commas between them; `none` for the empty sequence.

    Raises:
        RequestError: one of them is not known.
    """
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else list(given)
    if words == ["none"]:
        return ()
    for word in cast(list[Any], words):
        if word not in CHANGES:
            raise RequestError(f"unknown augmentation {word!r}: expected some of {', '.join(CHANGES)}, or none")
    return tuple(change for change in CHANGES if change in words)


def most_views(augment: Sequence[Change]) -> int:
    """How many different views these kinds of change can make."""
    return MOST_VIEWS if {"crop", "colour"} & set(augment) else 1 + ("flip" in augment)


def to_toml(plan: Plan) -> str:
    """The plan as TOML."""
    return plain.to_toml(sharing.told_apart(plain.to_plain(plan)))


def from_toml(text: str, where: str = "the plan") -> Plan:
    """The plan that TOML text describes.

    Raises:
        RequestError: it is not TOML, has an unknown or missing key, or a newer format.
    """
    try:
        table = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one; an integer of thousands of digits is another.
        raise RequestError(f"{where} is not TOML: {error}") from None
    if table.get("format", FORMAT) != FORMAT:
        raise RequestError(
            f"{where} has format {table['format']!r}, this Regraft reads format {FORMAT}; "
            "use the Regraft that wrote it, or a newer one"
        )
    try:
        return plain.from_plain(Plan, sharing.filled(table))
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None


def read(path: Path) -> Plan:
    """The plan in a TOML file.

    Raises:
        RequestError: the file cannot be read, or does not hold a plan.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read plan '{path}': {error}") from None
    return from_toml(text, f"'{path}'")


def with_shared(plan: Plan, changes: Mapping[str, Any]) -> Plan:
    """The same plan with fields that all phases share changed in every one of them.

    Args:
        plan: is not changed.
        changes: fields of `Phase` and their values.

    Raises:
        RequestError: a value that no phase can have; or a rate for phases whose rates are written out layer by layer.
    """
    spec = plan.fine_tune
    written = [phase for phase in spec.sequence if phase.rates]
    if "rate" in changes and written:
        raise RequestError(
            f"the rates of phase '{written[0].name}' are written out in the plan, so that a rate for all would change "
            "nothing; remove them there, or start from a ready-made plan"
        )
    phases = tuple(replace(phase, **changes) for phase in spec.phases)
    return replace(plan, fine_tune=replace(spec, phases=phases, **changes))


def with_source(plan: Plan, source: str) -> Plan:
    """The same plan for this source.

    How pictures are to be prepared and what builds the network belong to the source: both are open again where it is
    another one than before. The same file named in another way is the same source.
    """
    if storage.absolute(source) == storage.absolute(plan.source):
        return plan
    return replace(plan, source=source, input=None, architecture=None)


def write(path: Path, plan: Plan) -> None:
    """Write the plan, whole or not at all."""
    storage.write_text(path, to_toml(plan))
