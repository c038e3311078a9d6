"""What operations return and runs keep: plain, frozen records, the same in Python, in `run.json` and for `--json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from regraft.core.found_rate import FoundRate
from regraft.core.opened import LoadReport
from regraft.core.optimizer_state import Carried
from regraft.core.phase import Phase
from regraft.core.plan import Plan
from regraft.core.similarity import Similarity


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
        similarity: how alike source and result represent what the run is judged by, from the lowest cut point above the
            frozen trunk up to the head's; empty where nothing of the source learnt.
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
    similarity: tuple[Similarity, ...] = ()

    @property
    def new_variables(self) -> tuple[str, ...]:
        """Those of the trainable variables that are of new layers: the head's, and those between it and the source."""
        new = tuple(f"{layer}/" for layer in self.plan.head.layers)
        return tuple(name for name in self.trainable_variables if name.startswith(new))
