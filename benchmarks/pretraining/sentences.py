"""Questions and text messages with 100 labels: networks pretrained on sentences of others, and the same from scratch.

Some 20,000 sentences of films (SST-2, MR, Subj), their labels not looked at, are pretrained on: good or corrupted, and
words that are masked. Then 100 questions (TREC, six classes) and 100 text messages (SMS spam) are learnt from, in
proportion to their classes. A pretrained network is used with a linear head alone or fine-tuned whole, whichever
cross-validation on the labels finds better. The network from scratch is the same, with the same vocabulary; its rate
and epochs are chosen in the same way. Beside them, logistic regression on how often words are there, which no network
is needed for. Every seed draws its own labels, its own messages to judge by and its own weights.
"""

import csv
import dataclasses
import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fit, frame, pictures
from benchmarks.frame import Bar, Result, Settings, Table, UnavailableError
from benchmarks.pretraining.intervals import of_mean, points

Array = np.ndarray[Any, Any]

NAME = "sentences"
METHODS = ("corrupted", "masked")
NETWORK = "text-cnn"
# Of pretraining: masked words take longer, for each of them the whole vocabulary is looked at.
EPOCHS = {"corrupted": 15, "masked": 10}
VOCABULARY = 5000
LABELS = 100
JUDGED = 1000
# So many pool sentences and words where only the harness is tried.
_TRIED, _TRIED_WORDS = 400, 500

_FOLDER = Path("data") / "text_trec_sst_subj_mr_cr_mpqa"
_POOL = (("stsa.binary.train", "utf-8"), ("rt-polarity.all", "latin-1"), ("subj.all", "latin-1"))
_SPAM = Path("data") / "text_sms_spam" / "sms.tsv"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way came to on a task with one seed.

    Attributes:
        task: `questions` or `messages`.
        method: of pretraining, or `words` for logistic regression on counts.
        seed: of everything.
        reused: share of right answers.
        way: how the network was used.
        scratch: share of right answers of the same network from random weights.
        seconds: processor time of the pretraining.
    """

    task: str
    method: str
    seed: int
    reused: float
    way: str
    scratch: float
    seconds: float

    @property
    def gain(self) -> float:
        """How many more are right."""
        return self.reused - self.scratch


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Labelled texts: those that labels are drawn from, and those to judge by."""

    name: str
    texts: tuple[str, ...]
    labels: Array
    judged: tuple[str, ...]
    right: Array


def run(settings: Settings) -> Iterator[Result]:
    """All methods with a seed, and again for the next; the result so far after each seed."""
    fit.ready()
    measured = frame.earlier(NAME, settings, Outcome)
    if measured:
        yield compare(measured, settings)
    done = {item.seed for item in measured}
    for seed in range(settings.splits):
        if seed in done:
            continue
        measured += with_seed(seed, reduced=settings.reduced)
        yield compare(measured, settings)


def with_seed(seed: int, *, methods: Sequence[str] = METHODS, reduced: bool = False) -> list[Outcome]:
    """All methods and tasks with one seed.

    Args:
        seed: of everything.
        methods: of pretraining.
        reduced: few sentences, one pass: only to try the harness.
    """
    from regraft.pretraining import trunks
    from regraft.recipes.pretraining import helping
    from regraft.recipes.pretraining.asking import pretrain

    given = pool()
    order = np.random.default_rng(seed).permutation(len(given))
    sentences = [given[place] for place in (order[:_TRIED] if reduced else order).tolist()]
    tasks = [questions(), messages(seed)]
    if reduced:
        tasks = [dataclasses.replace(task, judged=task.judged[:50], right=task.right[:50]) for task in tasks]
    measured: list[Outcome] = []
    scratch: dict[str, float] = {}
    for name in methods:
        started = time.process_time()
        with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as folder:
            made = pretrain(
                name,
                sentences,
                out=Path(folder) / "source",
                architecture=NETWORK,
                epochs=1 if reduced else EPOCHS[name],
                vocabulary=_TRIED_WORDS if reduced else VOCABULARY,
                # One sentence of a film's plot has 130 words, two more than a network sees.
                lenient=True,
                probe=0,
                seed=seed,
            )
        seconds = time.process_time() - started
        inputs = made.record.inputs
        assert inputs.text is not None
        fresh = trunks.build(NETWORK, inputs.shape, "text", seed, vocabulary=inputs.text.size)
        for task in tasks:
            learning, judging = prepared(task, seed, inputs)
            if task.name not in scratch:
                scratch[task.name] = float(helping.fine_tuned(fresh, learning, judging, seed).correct.mean())
                words = counted_words(task, seed)
                measured.append(Outcome(task.name, "words", seed, words, "counts", scratch[task.name], 0.0))
                _say(measured[-1])
            ways = [way(made.model, learning, judging, seed) for way in (helping.head_alone, helping.fine_tuned)]
            best = max(ways, key=lambda way: way.expected)
            right = float(best.correct.mean())
            measured.append(Outcome(task.name, name, seed, right, best.way, scratch[task.name], seconds))
            _say(measured[-1])
    return measured


def prepared(task: Task, seed: int, inputs: Any) -> tuple[Any, Any]:
    """The labelled texts as a network takes them: to learn from, and to judge by."""
    from regraft.recipes.pretraining.probing import Labelled

    classes = int(task.labels.max()) + 1
    chosen = drawn(task.labels, LABELS, seed)

    def ids(texts: Sequence[str]) -> Array:
        return inputs.text.ids(texts, inputs.shape[0]).astype(np.float32)

    learning = Labelled(ids([task.texts[place] for place in chosen.tolist()]), task.labels[chosen], classes)
    return learning, Labelled(ids(task.judged), task.right, classes)


def counted_words(task: Task, seed: int) -> float:
    """Share of right answers of logistic regression on TF-IDF of words and pairs, its penalty cross-validated."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline

    chosen = drawn(task.labels, LABELS, seed).tolist()
    # Words alone hold nothing in a class that has one or two examples: folds are few.
    penalties: Any = np.logspace(-1, 4, 6)
    # What the next version of the library will take without being asked.
    fewer: dict[str, Any] = {"use_legacy_attributes": False, "scoring": "accuracy", "l1_ratios": (0,)}
    solved: Any = LogisticRegressionCV(Cs=penalties, cv=3, max_iter=2000, **fewer)
    model: Any = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), solved)
    model.fit([task.texts[place] for place in chosen], task.labels[chosen])
    return float((model.predict(list(task.judged)) == task.right).mean())


def drawn(labels: Array, count: int, seed: int) -> Array:
    """So many examples, classes in proportion, and of each class three at least."""
    order = np.random.default_rng([seed, count]).permutation(len(labels))
    kinds, sizes = np.unique(labels, return_counts=True)
    wanted = np.maximum(3, np.floor(count * sizes / len(labels))).astype(np.int64)
    # What rounding left over goes where most is missing; what small classes took is the largest one's.
    while wanted.sum() < count:
        wanted[(count * sizes / len(labels) - wanted).argmax()] += 1
    while wanted.sum() > count:
        wanted[wanted.argmax()] -= 1
    return np.concatenate([order[labels[order] == kind][:size] for kind, size in zip(kinds, wanted, strict=True)])


@functools.cache
def pool() -> tuple[str, ...]:
    """The sentences that are pretrained on, each once."""
    texts: dict[str, None] = {}
    for name, encoding in _POOL:
        texts |= dict.fromkeys(text for _, text in _labelled_lines(_existing(_FOLDER / name), encoding))
    return tuple(texts)


@functools.cache
def questions() -> Task:
    """TREC, with its own questions to judge by."""
    both = [_labelled_lines(_existing(_FOLDER / f"TREC.{part}.all"), "latin-1") for part in ("train", "test")]
    train, test = ([text for _, text in part] for part in both)
    labels, right = (np.array([int(label) for label, _ in part], np.int64) for part in both)
    return Task("questions", tuple(train), labels, tuple(test), right)


def messages(seed: int) -> Task:
    """SMS spam, the messages to judge by drawn anew for each seed; of messages that are there twice only the first."""
    with _existing(_SPAM).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    known = {text: int(kind == "spam") for kind, text in reversed(rows)}
    texts, labels = list(known), np.array(list(known.values()), np.int64)
    order = np.random.default_rng(seed).permutation(len(texts)).tolist()
    rest = [texts[place] for place in order[JUDGED:]]
    judged = [texts[place] for place in order[:JUDGED]]
    return Task("messages", tuple(rest), labels[order[JUDGED:]], tuple(judged), labels[order[:JUDGED]])


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """Gains over the network from scratch with intervals over seeds."""
    groups = [
        [item for item in measured if (item.task, item.method) == key]
        for key in dict.fromkeys((item.task, item.method) for item in measured)
    ]
    table = Table(
        f"Accuracy with {LABELS} labels, means; the difference with its 95 % interval over seeds",
        ("task", "way", "from scratch, %", "this way, %", "difference, points", "seconds of pretraining"),
        tuple(_row(group) for group in groups),
    )
    helped = [
        f"{group[0].task} by {group[0].method}"
        for group in groups
        if group[0].method in METHODS and of_mean([item.gain for item in group])[0] > 0
    ]
    bar = Bar(
        "a gain over scratch on each of both tasks by one method at least, with its interval (p < 0.05)",
        ", ".join(helped) or "none",
        len({name.partition(" ")[0] for name in helped}) == 2,
    )
    rows = tuple(dataclasses.asdict(item) | {"gain": item.gain} for item in measured)
    return Result(NAME, str(__doc__), (table,), rows, (bar,), settings=settings)


def _row(group: Sequence[Outcome]) -> tuple[str, ...]:
    return (
        group[0].task,
        group[0].method,
        frame.percent(statistics.fmean(item.scratch for item in group)),
        frame.percent(statistics.fmean(item.reused for item in group)),
        points([item.gain for item in group]),
        frame.seconds(statistics.median(item.seconds for item in group)),
    )


def _labelled_lines(path: Path, encoding: str) -> list[tuple[str, str]]:
    """Lines of a label, a space and a text; only line feeds end a line."""
    lines = path.read_bytes().decode(encoding).split("\n")
    parts = [line.strip().partition(" ") for line in lines if line.strip()]
    return [(label, text.strip()) for label, _, text in parts if text.strip()]


def _existing(path: Path) -> Path:
    """A file below the shared folder.

    Raises:
        UnavailableError: it is not there.
    """
    found = pictures.shared() / path
    if not found.is_file():
        raise UnavailableError(f"needs '{found}', which is not there")
    return found


def _say(outcome: Outcome) -> None:
    print(
        f"{outcome.task}, {outcome.method}, seed {outcome.seed}: {frame.percent(outcome.reused)} % ({outcome.way}) "
        f"against {frame.percent(outcome.scratch)} %",
        file=sys.stderr,
        flush=True,
    )
