"""What opening, restoring and converting a network return: what became of every tensor, and proof of the result."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Transformed:
    """Tensors whose values were changed on their way to variables.

    Attributes:
        tensors: names in the file; several where they were joined.
        variables: names in the model; several where one tensor was split.
        steps: what was done, as a rule of `regraft restore` says it, or in words.
    """

    tensors: tuple[str, ...]
    variables: tuple[str, ...]
    steps: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A tensor that does not fit the variable that it is for.

    Attributes:
        tensors: names in the file.
        variables: names in the model.
        found: shape or type of the values.
        expected: shape or type of the variable.
    """

    tensors: tuple[str, ...]
    variables: tuple[str, ...]
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of every tensor of a file and every variable of a model.

    Attributes:
        loaded: names that were read under their own name.
        renamed: pairs (name in the file, name in the model).
        skipped: names left out on purpose.
        missing: variables of the model that no tensor was found for: still random.
        unused: tensors of the file that went nowhere.
        notes: what else one should know.
        transformed: what was changed on its way.
        kept: variables of the model that were left as they are on purpose.
        mismatched: what was not read because it does not fit.
        slots: tensors of the optimizer's state, which is not read with the weights.
    """

    loaded: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    skipped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    transformed: tuple[Transformed, ...] = ()
    kept: tuple[str, ...] = ()
    mismatched: tuple[Mismatch, ...] = ()
    slots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restoration:
    """The whole or a part of a source in another network.

    Attributes:
        target: as the user said it.
        source: as the user said it.
        out: the file that was written; empty where none was.
        rules: that were followed, as text, one a line.
        complete: whether every tensor and every variable has its place, or a rule that leaves it out.
        restored_parameters: elements of the variables that got values.
        parameters: elements of all variables.
        load: what became of every tensor and every variable.
    """

    target: str
    source: str
    out: str
    rules: str
    complete: bool
    restored_parameters: int
    parameters: int
    load: LoadReport


@dataclass(frozen=True, slots=True)
class LayerParity:
    """How far one value of a converted network is from the original's.

    Attributes:
        layer: canonical name of the layer or operation that makes it.
        value: what the original calls it.
        error: largest difference, relative to the largest element of the original's.
    """

    layer: str
    value: str
    error: float


@dataclass(frozen=True, slots=True)
class Parity:
    """Proof that a converted network computes what the original computes.

    Attributes:
        holds: whether every output is within the tolerance, and a gradient reaches every trainable variable.
        runtime: what ran the original, with its version.
        backend: what ran the converted network.
        examples: how many were compared; the first is all zeros, the rest is drawn from a normal distribution.
        seed: of NumPy's generator that drew them.
        tolerance: for outputs; relative to the largest element.
        error: the largest of all outputs.
        first_divergence: the first layer, from the input upwards, that is beyond the tolerance; empty where none is.
        layers: every value that both have, from the input upwards.
        trainable_parameters: elements of the trainable variables.
        original_parameters: elements of the original's tensors that they came from.
        without_gradient: trainable variables that no gradient reaches; empty when the proof holds.
        original_files: SHA-256 of every file of the original, by name; empty where it is no file.
        written: SHA-256 of the members of the `.keras` file that hold the network.
        notes: what was done to the original so that it computes as it is used.
    """

    holds: bool
    runtime: str
    backend: str
    examples: int
    seed: int
    tolerance: float
    error: float
    first_divergence: str
    layers: tuple[LayerParity, ...]
    trainable_parameters: int
    original_parameters: int
    without_gradient: tuple[str, ...] = ()
    original_files: Mapping[str, str] = field(default_factory=dict[str, str])
    written: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversion:
    """A network in Keras' own format, and what it was.

    Attributes:
        source: as the user said it.
        out: the file that was written.
        format: of the source; empty where it is no file.
        whole: whether all of the network is there; else it ends at the last place below what has no counterpart.
        layers: how many there are.
        parameters: elements of all variables.
        trainable_parameters: elements of those that learn.
        input: shape of one example, channels last; several inputs one after the other.
        output: shape of one answer; several outputs one after the other.
        load: what became of every tensor.
        parity: the comparison with the original, where it was asked for.
        trusted: whether Python code in the source was allowed to run.
    """

    source: str
    out: str
    format: str
    whole: bool
    layers: int
    parameters: int
    trainable_parameters: int
    input: tuple[tuple[int | None, ...], ...]
    output: tuple[tuple[int | None, ...], ...]
    load: LoadReport
    parity: Parity | None = None
    trusted: bool = False
