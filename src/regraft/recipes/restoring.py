"""The whole or a part of a source in the variables of a model, with every name on both sides accounted for."""

import os
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

import keras

from regraft import formats, importers
from regraft.core import rules as rule_text
from regraft.core import storage
from regraft.core.errors import SelectorError
from regraft.core.opened import LoadReport, Restoration
from regraft.core.rules import Rule, RulesValue
from regraft.core.tensors import TensorArchive
from regraft.graph import names
from regraft.importers import Pretrained, architecture
from regraft.importers.restoring import (
    carrying,
    deriving,
    generalising,
    places,
    planning,
    sources,
    writing,
)
from regraft.importers.restoring.sources import Source
from regraft.recipes.converting import ending_right
from regraft.recipes.inspecting import is_file
from regraft.surgery.copy import copy_model

Rules = RulesValue | os.PathLike[str] | None
From = str | os.PathLike[str] | keras.Model | Pretrained | TensorArchive

_FUNCTION = re.compile(r"[\w.]+:\w+")
_HINT = "strict=False (--partial) to take what there is"


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A model with values from a source.

    Attributes:
        model: the new model; the given one where that was asked for.
        report: one row for every tensor of the source and every variable of the model.
        rules: that were followed, one a line; those that were found where none were given.
    """

    model: keras.Model
    report: LoadReport
    rules: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """A mapping that Regraft found, to be read, edited and given back.

    Attributes:
        rules: one a line, comments included: what is left over, and what could go several ways.
        certain: how many tensors have one place.
        open: what could go several ways, in words.
    """

    rules: str
    certain: int
    open: tuple[str, ...] = ()


def restore(
    model: keras.Model, source: From, rules: Rules = None, *, strict: bool = True, in_place: bool = False
) -> Restored:
    r"""Give the variables of a model values from a source: all, or what rules choose.

    What `load_state_dict` does for one framework, for any file that Regraft reads: names are chosen and changed by
    rules, kernels are transposed where layer kinds ask for it, and nothing is left over in silence.

    Args:
        model: Functional or Sequential; it is not changed, unless `in_place` says so.
        source: a file or folder of any format that `regraft.inspect` reads, an address such as `keras:MobileNetV2`, an
            opened network or a model.
        rules: as text, one a line (`conv(\d)\.weight -> conv_\1/kernel`), a dictionary or a list of such pairs, or the
            path of a file of rules; see docs/restore.md. None: found by names, order, shapes and layer kinds.
        strict: whether a tensor or variable without a place is an error, unless a rule leaves it out.
        in_place: change the given model itself, which may then be of any class, and stays compiled.

    Returns:
        The model, what became of every name, and the rules that were followed.

    Raises:
        SelectorError: a rule has no effect, two tensors are for one variable, or a mapping is not certain: the message
            lists what is possible.
        ProofError: something has no place; the message has the rules that would leave it out.
        RequestError: a rule is none, or its steps cannot be done to the values.
        SourceError: the source cannot be opened, or holds NaN or infinity.
        CorruptFileError: the source is truncated or was altered.

    >>> old = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="old")])
    >>> new = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="new")])
    >>> restore(new, old, {"old/(.*)": r"new/\1"}).report.renamed
    (('old/kernel', 'new/kernel'), ('old/bias', 'new/bias'))
    """
    given = _rules(rules)
    target = model if in_place else copy_model(model)
    offered = _source(source, target)
    plan = planning.planned(offered, target, given)
    matched, moves = plan.matched, plan.moves
    wanted = places.places(target)
    by_name = {place.name: place for place in wanted}
    dtypes = {name: str(variable.dtype) for name, variable in names.variables(target).items()}
    values, wrong = carrying.computed(moves, offered, by_name, dtypes)
    report = carrying.report(matched, moves, wrong, offered, wanted, plan.notes)
    if strict:
        carrying.require_complete(report, offered.text, f"model '{model.name}'", _HINT, dict(matched.strays))
    carrying.assign(target, values)
    followed = given or generalising.rules(moves, matched.skipped, list(offered.tensors), list(by_name))
    return Restored(target, report, rule_text.to_text(followed))


def propose(model: keras.Model, source: From) -> Proposed:
    """The rules that `restore` would follow where it is given none, and what keeps it from doing so.

    Args:
        model: is not changed.
        source: as `restore` takes it.

    Raises:
        SourceError: the source cannot be opened.
        CorruptFileError: it is truncated or was altered.
    """
    offered = _source(source, model)
    wanted = {place.name: place for place in places.places(model)}
    proposal = planning.proposal(offered, model)
    shapes = {name: entry.shape for name, entry in offered.tensors.items()}
    unsure: list[str] = []
    try:
        moves, notes = deriving.derived(proposal.moves, shapes, wanted, planning.habits(offered))
    except SelectorError as error:
        moves, notes = list(proposal.moves), []
        unsure.append(str(error))
    found = generalising.rules(moves, proposal.skipped, list(offered.tensors), list(wanted))
    blocks = [rule_text.to_text(found), *(f"# {note}\n" for note in (*notes, *unsure))]
    blocks += [writing.alternatives(item) for item in proposal.open]
    blocks.append(writing.left_over(proposal, list(offered.tensors), list(wanted)))
    return Proposed("".join(blocks), len(moves), (*unsure, *map(str, proposal.open)))


def restore_file(
    target: str,
    source: str,
    *,
    rules: Rules = None,
    out: str | os.PathLike[str] | None = None,
    strict: bool = True,
    input_size: int | None = None,
) -> Restoration:
    """Restore into a network that is named, and write it as a `.keras` file where one is asked for.

    Args:
        target: what `regraft.open` takes; `keras:NAME?...`, built with random weights; `package.module:function`; or
            the `.json` of a model.
        source: see `restore`.
        rules: see `restore`.
        out: the file to write; None: nothing is written.
        strict: see `restore`.
        input_size: height and width in pixels, for targets that are built.

    Raises:
        RequestError, ProofError, CorruptFileError: see `restore`.
        StorageError: the disk refused.
    """
    path = None if out is None else ending_right(Path(out))
    done = restore(build(target, input_size), source, rules, strict=strict, in_place=True)
    if path is not None:
        with storage.replacing(path) as partial:
            done.model.save(partial)
    variables = {place.name: prod(place.shape) for place in places.places(done.model)}
    left = {*done.report.missing, *done.report.kept, *(n for item in done.report.mismatched for n in item.variables)}
    return Restoration(
        target=target,
        source=source,
        out="" if path is None else str(path),
        rules=done.rules,
        complete=carrying.is_complete(done.report),
        restored_parameters=sum(size for name, size in variables.items() if name not in left),
        parameters=sum(variables.values()),
        load=done.report,
    )


def build(target: str, input_size: int | None = None) -> keras.Model:
    """The network that a target names; see `restore_file`.

    Raises:
        SourceError: there is no such network.
        CorruptFileError: its file is truncated or was altered.
    """
    if target.endswith(".json"):
        return architecture.described(target)
    random = target.startswith("keras:") and "weights=" not in target
    if random or (_FUNCTION.fullmatch(target) and not Path(target).exists()):
        return architecture.build(target, input_size)
    # How its pictures must come does not matter here, so that there is nothing to warn of.
    return importers.open(target, preprocessing="raw", input_size=input_size).model


def _rules(rules: Rules) -> tuple[Rule, ...] | None:
    if rules is None:
        return None
    if isinstance(rules, os.PathLike):
        return rule_text.read(Path(cast(Any, rules)))
    return rule_text.of(rules)


def _source(source: From, target: keras.Model) -> Source:
    if isinstance(source, Pretrained):
        return sources.of_model(source.model)
    if isinstance(source, keras.Model):
        return sources.of_model(source)
    if isinstance(source, TensorArchive):
        return sources.of_archive(source, target, Path(str(source.metadata.get("path", "the archive"))))
    if is_file(source):
        return sources.of_archive(formats.read(Path(source)), target, Path(source))
    return sources.of_model(importers.open(source, preprocessing="raw").model)
