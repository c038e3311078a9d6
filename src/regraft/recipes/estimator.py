"""The main job as a scikit-learn classifier: `fit`, `predict`, `score`, and everything that takes a classifier."""

import contextlib
import csv
import dataclasses
import os
import tempfile
from collections.abc import Callable, Generator, Sequence
from math import prod
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from regraft import data as data_room
from regraft.core.head_spec import HeadSpec, widths
from regraft.core.input_spec import Decoding
from regraft.core.plan import AUTO, CHANGES, FineTuneSpec, Plan, SplitSpec, changes
from regraft.data import Examples, Read, read_picture
from regraft.data.channels import to_channels
from regraft.importers import Pretrained
from regraft.recipes import running, using
from regraft.recipes.running import Choice, Dtype, Engine

Array = np.ndarray[Any, Any]
Source = str | os.PathLike[str] | keras.Model | Pretrained | Callable[[tuple[int, ...]], keras.Model]


class TransferClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that reuses the layers of a pretrained network.

    It takes what scikit-learn hands around, so that cross-validation, grid search and pipelines work with it.
    Activations are kept on disk by the content of the examples: fits on other folds or with other settings run the
    network only over examples that it has not seen.

    `X` is an array of pictures (n, height, width) or (n, height, width, channels), an array of features (n, features),
    or a sequence of paths of picture files. Give pictures raw, 0 to 255 or 0 to 1: the source's preprocessing is
    inside. Features that come out of a pipeline flat are given the shape that the network takes.

    Args:
        source: what `regraft.open` takes or returned; or a function from the shape of one example to a model.
        input_size: height and width in pixels that pictures are brought to.
        preprocessing: overrides the source's own input convention.
        decoding: `draft` lets large JPEG files be decoded small, as in `regraft.fit`.
        cut_point: the head stands here; by default the best by probing all.
        hidden: widths of new layers between the reused ones and the head, such as `(128, 64)`, from the lowest upwards.
        fine_tune: whether the upper reused layers learn: `auto`, `yes`, `no`.
        plan: a ready-made plan for that, such as `gradual-unfreezing` or `last-20`.
        views: true views per training example while fine-tuning.
        augment: what views may differ from the picture by: some of `flip`, `crop`, `colour`, or `none`.
        baselines: as in `regraft.fit`; left out here, where scores are compared from outside.
        validation: part of the training examples that choices are made by; where they are few, the model learns from
            that part too once all is chosen. With `fine_tune="no"` nothing is chosen by it, and 0 is as good.
        random_state: of every random choice; None: another one every time.
        strict: an unreadable file is an error.
        trust: let Python code in the source run, such as Lambda layers; only where you trust its author.
        out: a folder in which every fit leaves a run folder; None: only `run_` stays, without its files.
        cache: folder of the activations.
        cache_budget: how much they may take, such as `2GB`.
        dtype: how whole ones are kept: `auto`, `float32`, `float16`, `int8`.
        engine: what runs the frozen layers.

    Attributes:
        classes_: labels as they were given to `fit`, sorted.
        run_: the finished `Run`: its record, and `run_.model`, which takes raw examples.
        n_features_in_: number of features, for examples given as (n, features).

    >>> import tempfile
    >>> from sklearn.datasets import load_digits
    >>> x, y = load_digits(return_X_y=True)
    >>> keras.utils.set_random_seed(0)  # A random network stands for a pretrained one.
    >>> network = keras.Sequential([keras.Input((64,)), keras.layers.Dense(300, activation="relu", name="hidden")])
    >>> classifier = TransferClassifier(network, fine_tune="no", cache=tempfile.mkdtemp())
    >>> bool(classifier.fit(x[:400], y[:400]).score(x[400:600], y[400:600]) > 0.8)
    True
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        input_size: int | None = None,
        preprocessing: str | None = None,
        decoding: Decoding | None = None,
        cut_point: str = AUTO,
        hidden: str | Sequence[int] = (),
        fine_tune: Choice = AUTO,
        plan: str = AUTO,
        views: int | None = None,
        augment: str | Sequence[str] = CHANGES,
        baselines: Choice = "no",
        validation: float = 0.15,
        random_state: int | np.random.RandomState | None = 0,
        strict: bool = False,
        trust: bool = False,
        out: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_budget: str | int | None = None,
        dtype: Dtype = AUTO,
        engine: Engine = AUTO,
    ) -> None:
        self.source = source
        self.input_size = input_size
        self.preprocessing = preprocessing
        self.decoding: Decoding | None = decoding
        self.cut_point = cut_point
        self.hidden: str | Sequence[int] = hidden
        self.fine_tune: Choice = fine_tune
        self.plan = plan
        self.views = views
        self.augment: str | Sequence[str] = augment
        self.baselines: Choice = baselines
        self.validation = validation
        self.random_state = random_state
        self.strict = strict
        self.trust = trust
        self.out = out
        self.cache = cache
        self.cache_budget = cache_budget
        self.dtype: Dtype = dtype
        self.engine: Engine = engine

    def fit(self, X: Any, y: Any) -> "TransferClassifier":  # noqa: N803 - scikit-learn's name
        """Get the best model for these examples out of the source.

        Args:
            X: examples, see the class.
            y: (n,) labels: strings, integers or booleans.

        Raises:
            ValueError: X or y is not what a classifier takes.
            RegraftError: the source, the settings, or the disk.
        """
        given, y = self._checked_for_fit(X, y)
        check_classification_targets(y)
        classes, members = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"expected labels of at least two classes, found one class: {classes[0]!r}")
        self.classes_ = classes
        self._is_deep_ = isinstance(given, np.ndarray) and given.dtype == np.uint16 and bool(given.max() > 255)
        plan, source = self._plan(), self._source(given)
        pretrained = running.open_for(plan, source)
        examples = self._examples(self._raw(given, pretrained.inputs.shape), members)
        with self._folder() as folder:
            self.run_ = running.fit(examples, pretrained, plan=plan, out=folder, cache=self.cache)
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803
        """The likeliest label (n,) of each example."""
        # Before anything is looked up in `classes_`: an estimator that was not fitted has none.
        made = self.predict_proba(X)
        return self.classes_[np.argmax(made, axis=1)]

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """The probability of each class, float64 (n, classes), columns in the order of `classes_`.

        An example's answer depends on nothing but itself.

        Raises:
            NotFittedError: before `fit`.
            ValueError: X is not what the classifier was fitted on.
            DataError: a picture file cannot be read.
        """
        check_is_fitted(self, "run_")
        inputs = using.input_spec(self.run_)
        examples = self._unlabelled(self._raw(self._checked(X), inputs.shape))
        _, made = using.probabilities(self.run_, examples, range(len(examples)), strict=True, whole=True)
        # Where no example of a class could be read, the run does not know it.
        places = [self._names().index(name) for name in self.run_.record.classes]
        spread = np.zeros((len(made), len(self.classes_)))
        spread[:, places] = made
        return spread

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may give it."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _checked_for_fit(self, X: Any, y: Any) -> tuple[Any, Array]:  # noqa: N803
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None")
        if _are_files(X) or _are_pictures(X):
            given = list(X) if _are_files(X) else _pictures(X)
            y = column_or_1d(y, warn=True)
            check_consistent_length(given, y)
            # Of an earlier fit on features.
            self.__dict__.pop("n_features_in_", None)
            return given, y
        x, y = cast(tuple[Array, Array], validate_data(self, X, y, dtype="numeric"))
        return x, y

    def _checked(self, X: Any) -> Any:  # noqa: N803
        if _are_files(X):
            return list(X)
        if hasattr(self, "n_features_in_"):
            return validate_data(self, X, reset=False, dtype="numeric")
        return _pictures(X)

    def _plan(self) -> Plan:
        state = self.random_state
        seed = int(state) if isinstance(state, (int, np.integer)) else check_random_state(state).randint(2**31 - 1)
        return Plan(
            source="",
            preprocessing=self.preprocessing,
            input_size=self.input_size,
            decoding=self.decoding,
            cut_point=self.cut_point,
            head=HeadSpec(hidden=widths(self.hidden)),
            views=self.views,
            augment=changes(self.augment),
            baselines=self.baselines,
            strict=self.strict,
            trust=self.trust,
            seed=seed,
            cache_budget=self.cache_budget,
            dtype=self.dtype,
            engine=self.engine,
            fine_tune=FineTuneSpec(enabled=self.fine_tune, strategy=self.plan),
            split=SplitSpec(float(self.validation), 0.0),
        )

    def _source(self, given: Any) -> Any:
        if self.source is None:
            raise ValueError("expected a source: a file, keras:NAME, or a keras.Model; found source=None")
        if not callable(self.source) or isinstance(self.source, keras.Model):
            return self.source
        if not isinstance(given, np.ndarray):
            raise ValueError(
                "a function as the source needs examples of one shape; give a model, or pictures as an array"
            )
        return self.source(given.shape[1:] if given.ndim != 3 else (*given.shape[1:], 1))

    def _raw(self, given: Any, shape: tuple[int, ...]) -> Any:
        """Paths as they are; arrays in a dtype and shape that the network takes."""
        if not isinstance(given, np.ndarray):
            return given
        if self._is_deep_:
            given = given.astype(np.float32) / np.float32(257)
        if given.ndim == 2 and len(shape) > 1 and prod(shape) == given.shape[1]:
            given = given.reshape(-1, *shape)
        return given.astype(np.float32) if given.dtype.kind == "f" else given

    def _examples(self, raw: Any, members: Array) -> Examples:
        split = SplitSpec(float(self.validation), 0.0)
        if isinstance(raw, list) and _are_files(cast(Any, raw)):
            examples = _open_files(cast(list[str], raw), members, split, self.strict)
        else:
            examples = data_room.open(raw, labels=members, split=split, strict=self.strict)
        names = [self._names()[int(place)] for place in examples.classes]
        return dataclasses.replace(examples, classes=tuple(names))

    def _names(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _unlabelled(self, raw: Any) -> Examples:
        names = [str(item) for item in raw] if _are_files(raw) else [f"index {index}" for index in range(len(raw))]
        white = using.white(self.run_)
        if _are_files(raw):
            return using.unlabelled(names, lambda index, channels: read_picture(raw[index], channels), None)
        return using.unlabelled(names, _reader(raw, white), None, white)

    @contextlib.contextmanager
    def _folder(self) -> Generator[Path]:
        if self.out is None:
            with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
                yield Path(folder)
            return
        Path(self.out).mkdir(parents=True, exist_ok=True)
        # Folds are fitted in parallel: whoever makes a name first has it.
        yield Path(tempfile.mkdtemp(prefix="fit-", dir=self.out))


def _are_files(X: Any) -> bool:  # noqa: N803
    """Whether these are paths: a sequence, or an array or series of one axis."""
    if isinstance(X, (str, os.PathLike)) or not hasattr(X, "__len__") or getattr(X, "ndim", 1) != 1 or not len(X):
        return False
    return all(isinstance(item, (str, os.PathLike)) for item in X)


def _are_pictures(X: Any) -> bool:  # noqa: N803
    """Whether these are arrays of more than one axis each."""
    if hasattr(X, "ndim"):
        return X.ndim > 2
    return isinstance(X, (list, tuple)) and len(cast(Sequence[Any], X)) > 0 and np.ndim(cast(Any, X[0])) > 1


def _pictures(X: Any) -> Any:  # noqa: N803
    """One array where all pictures have one shape, else a list of arrays."""
    if isinstance(X, (list, tuple)):
        items = [np.asarray(item) for item in cast(Sequence[Any], X)]
        if len({item.shape for item in items}) > 1:
            return [check_array(item, allow_nd=True) for item in items]
    return check_array(X, allow_nd=True, dtype="numeric")


def _open_files(files: list[str], members: Array, split: SplitSpec, strict: bool) -> Examples:
    with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
        table = Path(folder) / "pictures.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "label"), *zip(map(os.path.abspath, files), members, strict=True)])
        examples = data_room.open(table, split=split, strict=strict)
    return dataclasses.replace(examples, origin="picture files")


def _reader(raw: Any, white: float) -> Read:
    """Reads an example as the data room does, with the white of the examples that were fitted."""

    def read(index: int, channels: int | None) -> Array:
        example = np.asarray(raw[index])
        if example.dtype == np.bool_:
            example = example.astype(np.uint8) * np.uint8(255)
        if example.ndim == 2:
            example = example[:, :, np.newaxis]
        return to_channels(example, channels, white) if channels is not None and example.ndim == 3 else example

    return read
