"""The card of a model in the catalogue: what it is, what is in it, where it comes from, how good it is.

A card is a plain JSON document, and all that one needs to find a model and to take it up again. Weights are not in it:
it names them by the SHA-256 of their bytes, layer by layer, so that models which share layers share what is stored.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from regraft.core import plain
from regraft.core.errors import RequestError
from regraft.core.input_spec import InputSpec
from regraft.core.opened import LoadReport
from regraft.core.records import Certificate, CutPoint, Metrics

# Of this document. What an older version lacks has a default; what a newer one has, this version cannot know.
FORMAT = 1

Kind = Literal["network", "run", "pretraining"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Before the name where a source is wanted.
SOURCE = "zoo:"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """One variable.

    Attributes:
        name: canonical: layer path and variable name joined by "/".
        shape: of the variable.
        dtype: NumPy's name of its type; `bfloat16` for that.
        digest: SHA-256 of its elements in C order, little-endian.
        layer: the name of the layer that it is stored with.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    digest: str
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """One layer.

    Attributes:
        name: canonical: its path through nested models.
        type: its class.
        parameters: elements of its own variables.
        digest: SHA-256 of the part that holds its variables; empty where it has none.
        bytes: of that part.
    """

    name: str
    type: str
    parameters: int = 0
    digest: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """How a network is built.

    Attributes:
        name: of the network.
        layers: from the input upwards; those inside nested models after the model that they are in.
        parameters: elements of all variables.
        bytes: of the parts of all layers.
        flops: multiplications and additions for one example, an estimate; None where sizes are open.
        digest: SHA-256 of the part that holds its configuration, as JSON of Keras.
        outputs: length of an answer; None where it is no vector.
    """

    name: str
    layers: tuple[LayerFacts, ...]
    parameters: int
    bytes: int
    digest: str
    flops: int | None = None
    outputs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What a model was trained on: never the data itself.

    Attributes:
        digest: of contents, labels and splits, as `Examples.digest` gives it; empty where it is not known.
        examples: how many per split.
        per_class: likewise, class by class.
        name: what it was called.
    """

    digest: str = ""
    examples: Mapping[str, int] = field(default_factory=dict[str, int])
    per_class: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a model was made of.

    Attributes:
        source: as it was said.
        digest: of the source's weights, as `digest_of` gives it; empty where it is not known.
        parent: `NAME@VERSION` of the source in the catalogue; empty where it is not there.
        cut_point: below it the source's layers were taken.
        reused: the source's layers that are in the model.
        frozen: those of them that did not move.
        thawed: those of them that learnt.
        shared: how many layers with variables are the parent's, byte for byte.
    """

    source: str
    digest: str = ""
    parent: str = ""
    cut_point: str = ""
    reused: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    thawed: tuple[str, ...] = ()
    shared: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerFacts:
    """The state of the optimizer that is kept with a model.

    Attributes:
        kinds: of optimizers, such as `adam`.
        slots: by name, such as `momentum` and `velocity`.
        variables: how many have state.
        steps: the most that any of them has seen.
        digest: SHA-256 of the part that holds the state.
        bytes: of that part.
    """

    kinds: tuple[str, ...]
    slots: tuple[str, ...]
    variables: int
    steps: int
    digest: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Everything that a model in the catalogue is known by.

    Attributes:
        name: in the catalogue.
        version: counted from 1; 0 for a card that is in no catalogue yet.
        kind: what it was added from: a `network`, a finished `run`, a `pretraining`.
        digest: of its weights, see `digest_of`.
        created: when it was added, ISO 8601, UTC.
        format: of this document.
        summary: what it is, in a sentence.
        task: what it does: `image-classification`, `feature-extraction`, ...; empty where nobody said.
        classes: of its answers, in their order; empty where they have no names.
        inputs: what it expects at its input; None where that is not one tensor of known rank.
        architecture: how it is built.
        cut_points: where it can be cut.
        tensors: its variables.
        data: what it was trained on.
        metrics: how good it is, by split.
        lineage: what it was made of.
        optimizer: the state that is kept with it; None where none is.
        licence: under which it may be used, SPDX where there is such a name.
        citation: what to cite.
        tags: words to find it by.
        environment: versions and machine that it was made with.
        load: what became of every tensor of what it was read from.
        certificate: that frozen variables did not move.
        plan: of the run, as TOML.
        origin: where it was added from.
        verdict: of the run, whether reuse helped.
        pretraining: how it was pretrained, as `pretraining.json` says it; empty for all others.
    """

    name: str
    version: int = 0
    kind: Kind = "network"
    digest: str
    created: str
    format: int = FORMAT
    summary: str = ""
    task: str = ""
    classes: tuple[str, ...] = ()
    inputs: InputSpec | None = None
    architecture: Architecture
    cut_points: tuple[CutPoint, ...] = ()
    tensors: tuple[TensorFacts, ...]
    data: DataFacts | None = None
    metrics: Mapping[str, Metrics] = field(default_factory=dict[str, Metrics])
    lineage: Lineage | None = None
    optimizer: OptimizerFacts | None = None
    licence: str = ""
    citation: str = ""
    tags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    load: LoadReport | None = None
    certificate: Certificate | None = None
    plan: str = ""
    origin: str = ""
    verdict: str = ""
    pretraining: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Refuse names that could be no file, versions below 0, and digests that are none.

        Raises:
            RequestError: one of them.
        """
        require_name(self.name)
        if self.version < 0:
            raise RequestError(f"expected 'version' as 0 or more, found {self.version}")
        for digest in (self.digest, *self.parts):
            if not _DIGEST.fullmatch(digest):
                raise RequestError(f"expected a SHA-256 of 64 hexadecimal digits, found '{digest}'")

    @property
    def address(self) -> str:
        """What it is asked for by: `NAME@VERSION`."""
        return f"{self.name}@{self.version}"

    @property
    def outputs(self) -> int | None:
        """Length of an answer; None where it gives none: it is no vector, or a pretraining, which has no task yet."""
        return None if self.kind == "pretraining" else self.architecture.outputs

    @property
    def judged_on(self) -> str:
        """The split that says how good it is: test, or else validation; empty where neither was measured."""
        return next((split for split in ("test", "validation") if split in self.metrics), "")

    @property
    def parts(self) -> dict[str, int]:
        """The digests of all parts that it needs, with their sizes in bytes; 0 where the card does not say."""
        needed = {self.architecture.digest: 0}
        needed |= {layer.digest: layer.bytes for layer in self.architecture.layers if layer.digest}
        if self.optimizer is not None:
            needed[self.optimizer.digest] = self.optimizer.bytes
        return needed


def digest_of(tensors: Iterable[TensorFacts]) -> str:
    """The digest of a model's weights: of the names, types, shapes and bytes of its variables, in any order.

    The same weights have the same digest whatever file they come from, and whatever they are called in a catalogue.

    >>> digest_of([]) == digest_of(())
    True
    """
    lines = sorted(f"{tensor.name} {tensor.dtype} {list(tensor.shape)} {tensor.digest}" for tensor in tensors)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()


def require_name(name: str) -> None:
    """Refuse a name that could be no file everywhere, or not be told from a version.

    Raises:
        RequestError: it says what is allowed.

    >>> require_name("flowers-mobilenet.v2")
    """
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"expected a name of up to 100 letters, digits, '.', '_' and '-', with a letter or digit at both ends, "
            f"found '{name}'"
        )


def parse_address(text: str) -> tuple[str, int | None]:
    """The name and the version of `NAME[@VERSION]`, with or without `zoo:` before it; None: the latest.

    Raises:
        RequestError: it is neither.

    >>> parse_address("flowers@3"), parse_address("zoo:flowers")
    (('flowers', 3), ('flowers', None))
    """
    name, mark, version = text.removeprefix(SOURCE).partition("@")
    require_name(name)
    if mark and not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise RequestError(f"expected NAME or NAME@VERSION with a version such as 1, found '{text}'")
    return name, int(version) if mark else None


def is_source(source: object) -> bool:
    """Whether a source is a model of the catalogue: `zoo:NAME[@VERSION]`.

    >>> is_source("zoo:flowers@2"), is_source("flowers.keras")
    (True, False)
    """
    return isinstance(source, str) and source.startswith(SOURCE)


def write(card: Card) -> str:
    """The card as JSON."""
    return plain.to_json(card)


def read(text: str, where: str) -> Card:
    """The card that `write` made this JSON from.

    Args:
        text: the JSON.
        where: what it was read from, for messages.

    Raises:
        RequestError: it is no card, or one of a newer version.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise RequestError(f"'{where}' is not the card of a model: {error}") from None
    return of_plain(said, where)


def of_plain(said: Any, where: str) -> Card:
    """The card that this plain value was made from; otherwise as `read`.

    Raises:
        RequestError: it is no card, or one of a newer version.
    """
    if not isinstance(said, dict):
        raise RequestError(f"'{where}' is not the card of a model: expected a table, found {type(said).__name__}")
    if is_newer(said):
        raise RequestError(
            f"'{where}' is a card of format {said['format']}, and this version reads up to {FORMAT}; "
            "upgrade with: pip install --upgrade regraft"
        )
    try:
        return plain.from_plain(Card, said)
    except RequestError as error:
        raise RequestError(f"'{where}' is not the card of a model: {error}") from None


def is_newer(said: Any) -> bool:
    """Whether a plain value is a card that only a newer version can read."""
    number = cast(dict[str, Any], said).get("format") if isinstance(said, dict) else None
    return isinstance(number, int) and number > FORMAT
