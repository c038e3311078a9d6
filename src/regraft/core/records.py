"""What operations return and runs keep: plain, frozen records, the same in Python, in `run.json` and for `--json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from regraft.core.found_rate import FoundRate
from regraft.core.optimizer_state import Carried
from regraft.core.phase import Phase
from regraft.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with its 95 % interval."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Metrics:
    """How good predictions are on one split.

    Attributes:
        examples: how many there were.
        accuracy: share of right answers.
        balanced_accuracy: mean over classes of the share of right answers in the class.
        log_loss: mean of minus the natural logarithm of the probability given to the right class.
        calibration_error: expected calibration error: mean gap between confidence and accuracy over 15 bins of
            confidence.
    """

    examples: int
    accuracy: Metric
    balanced_accuracy: Metric
    log_loss: Metric
    calibration_error: Metric


@dataclass(frozen=True, slots=True)
class CutPoint:
    """A place where one tensor separates the input of a network from its output.

    Attributes:
        name: canonical: the path of the layer that makes the tensor, through nested models.
        depth: how many cut points are below.
        shape: of one example's tensor; None where a size is open.
        parameters_below: elements of the variables that are needed to compute the tensor.
        flops_below: multiplications and additions for one example, an estimate; None where sizes are open.
    """

    name: str
    depth: int
    shape: tuple[int | None, ...]
    parameters_below: int
    flops_below: int | None = None


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
class Certificate:
    """Proof that frozen variables did not move: digests of their bytes in the source and in the result.

    Attributes:
        frozen_unchanged: whether all are equal.
        variables: how many were compared, BatchNorm statistics included.
        digest: one digest over names and bytes of all of them.
        changed: the names that differ; empty when the proof holds.
    """

    frozen_unchanged: bool
    variables: int
    digest: str
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a layer moved from the source.

    Attributes:
        layer: canonical name of the layer.
        relative_change: Euclidean norm of the change divided by the norm of the source's values.
        frozen: whether it was frozen.
    """

    layer: str
    relative_change: float
    frozen: bool


@dataclass(frozen=True, slots=True)
class PhaseCertificate:
    """What a phase of training moved, and proof that it moved nothing else.

    Attributes:
        phase: its name.
        frozen_unchanged: whether the bytes of everything that was frozen, BatchNorm statistics included, are the same.
        frozen: how many variables that were.
        digest: one digest over names and bytes of all of them, before.
        changed: the frozen ones that differ; empty when the proof holds.
        learning: how many variables had a rate.
        unmoved: those of them that did not move.
        drift: how far each layer moved in this phase.
        ungrouped: variables with a rate that no optimizer had; empty when the proof holds.
        grouped_twice: variables that two optimizers had; empty when the proof holds.
    """

    phase: str
    frozen_unchanged: bool
    frozen: int
    digest: str
    changed: tuple[str, ...]
    learning: int
    unmoved: tuple[str, ...]
    drift: tuple[Drift, ...]
    ungrouped: tuple[str, ...] = ()
    grouped_twice: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing moved that was frozen, and every variable that learnt had one optimizer."""
        return self.frozen_unchanged and not self.ungrouped and not self.grouped_twice


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """What a phase of training did.

    Attributes:
        phase: what it obeyed, its rates written out.
        epochs: that it took.
        best: the one that its weights are from.
        carried: what became of the optimizer's state of before, variable by variable.
        certificate: what moved, and that nothing else did.
    """

    phase: Phase
    epochs: int
    best: int
    carried: tuple[Carried, ...]
    certificate: PhaseCertificate


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


@dataclass(frozen=True, slots=True)
class Probe:
    """How well a quick linear classifier does on the pooled activations of one cut point.

    Attributes:
        cut_point: its name.
        depth: its depth.
        width: length of the pooled vector.
        accuracy: cross-validated on the training examples.
    """

    cut_point: str
    depth: int
    width: int
    accuracy: Metric


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a learning curve.

    Attributes:
        phase: the phase's name.
        epoch: counted from 1 within the phase; 0 is the state before it.
        loss: mean training loss over the epoch.
        rate: the largest learning rate at its end.
        validation_accuracy: on the validation split.
        validation_loss: log loss there.
        seconds: wall time of the epoch.
    """

    phase: str
    epoch: int
    loss: float | None
    rate: float
    validation_accuracy: float
    validation_loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong prediction.

    Attributes:
        name: the example's path or index.
        id: the example's content digest.
        actual: the label.
        predicted: the answer.
        confidence: the probability given to the answer.
    """

    name: str
    id: str
    actual: str
    predicted: str
    confidence: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Predictions whose confidence fell in [low, high)."""

    low: float
    high: float
    examples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the activations on disk did for a run: bytes used by it, activations found there and computed anew."""

    bytes: int
    hits: int
    computed: int


@dataclass(frozen=True, slots=True)
class Kept:
    """How a run kept its activations, which was decided from an estimate before anything ran.

    Attributes:
        decision: in words, with what was given up.
        estimated: bytes of all of them.
        budget: bytes that were allowed; None: not said.
        averages: where averaged ones were: `disk`, `memory`, or `streamed`: computed whenever they were asked for.
        maps: likewise whole ones.
        dtype: of whole ones.
        error: of that dtype, measured on a sample: root of the mean squared error relative to the root mean square;
            None where nothing is rounded.
        from_lower: how many activations were computed from those of a lower cut point, without the picture.
    """

    decision: str
    estimated: int
    budget: int | None
    averages: str
    maps: str
    dtype: str
    error: float | None = None
    from_lower: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a simpler way reaches on the same examples."""

    name: str
    accuracy: Metric
    note: str = ""


@dataclass(frozen=True, slots=True)
class DataSummary:
    """The examples of a run: how many per split and class, and what was left out."""

    examples: Mapping[str, int]
    per_class: Mapping[str, Mapping[str, int]]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that a run is known by; written as `run.json`, printed by `--json`, drawn by the report.

    Attributes:
        run: the run folder.
        model: the deployable model's file.
        report: the report's file.
        classes: class names in the order of the model's outputs.
        cut_point: where the head stands.
        trained_from: the cut point above which reused layers learnt; equal to `cut_point` where none did.
        reused_layers: the source's layers that are in the model.
        frozen_variables: canonical names of those that did not move.
        trainable_variables: canonical names of those that learnt.
        metrics: by split: `validation`, and `test` where there is one.
        baselines: by name, on `evaluated_on`.
        transfer_gain: accuracy minus that of the same network from scratch, paired on the same examples; None where no
            such baseline was run.
        evaluated_on: the split that baselines, mistakes, confusion and calibration are about: `test`, else
            `validation`.
        verdict: one plain sentence on whether reuse helped.
        load: what became of the source's tensors.
        certificate: that frozen variables did not move.
        cache: what the activations on disk did.
        seconds: wall time by stage: open, activations, head, fine_tune, baselines, report, total.
        probes: accuracy by cut point.
        history: learning curves.
        confusion: rows are the actual classes, columns the predicted ones.
        calibration: by bin of confidence.
        mistakes: the most confident ones first.
        drift: by layer, from the input upwards.
        warnings: everything that was warned of.
        data: the examples.
        plan: the resolved plan.
        environment: versions and machine.
        activations: how they were kept; None in records of before that was decided.
        phases: what each phase of training did, those of the refit last.
        interrupted: whether the user ended training before its time.
        found_rates: learning-rate range tests, of the phases whose rate was to be found.
    """

    run: str
    model: str
    report: str
    classes: tuple[str, ...]
    cut_point: str
    trained_from: str
    reused_layers: tuple[str, ...]
    frozen_variables: tuple[str, ...]
    trainable_variables: tuple[str, ...]
    metrics: Mapping[str, Metrics]
    baselines: Mapping[str, Baseline]
    transfer_gain: Metric | None
    evaluated_on: str
    verdict: str
    load: LoadReport
    certificate: Certificate
    cache: CacheUse
    seconds: Mapping[str, float]
    probes: tuple[Probe, ...]
    history: tuple[Epoch, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: tuple[CalibrationBin, ...]
    mistakes: tuple[Mistake, ...]
    drift: tuple[Drift, ...]
    warnings: tuple[str, ...]
    data: DataSummary
    plan: Plan
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    activations: Kept | None = None
    phases: tuple[PhaseRecord, ...] = ()
    interrupted: bool = False
    found_rates: tuple[FoundRate, ...] = ()
