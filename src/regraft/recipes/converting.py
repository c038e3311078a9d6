"""Any network as a `.keras` file, with proof that it is the same network."""

import json
import os
import zipfile
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import keras

from regraft import formats
from regraft.core import plain, storage
from regraft.core.errors import ProofError, RequestError
from regraft.core.records import Conversion, LoadReport, Parity
from regraft.importers import graphs, opening
from regraft.importers.graphs import Converted
from regraft.importers.pretrained import Request, require_finite
from regraft.recipes import parity
from regraft.recipes.inspecting import is_file

ENDING = ".keras"
# The member of the archive that tells where the model is from; Keras leaves members that it does not know alone.
INSIDE = "regraft.json"


def convert(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    check: bool = False,
    architecture: str | None = None,
    input_size: int | None = None,
    trust: bool = False,
) -> Conversion:
    """Write a network as a `.keras` file, which opens in plain Keras on every backend.

    Args:
        source: a file of any format that holds a graph or a model, or an address; as `regraft.open` takes it.
        out: the file to write; an existing one is replaced. What became of every tensor, and the proof, are in it as
            `regraft.json`.
        check: run the original as well, on the same examples, and write nothing where the two differ.
        architecture: what builds the network where the source holds only weights.
        input_size: height and width in pixels, where the source leaves them open.
        trust: let Python code in the source run; the file that is written may hold it.

    Raises:
        RequestError: the source cannot be opened, `out` does not end in `.keras`, or the original cannot be run.
        ProofError: the proof does not hold; it names the first layer that differs.
        StorageError: the disk refused.
    """
    path = _ending_right(Path(out))
    request = Request(os.fspath(source), os.fspath(source), architecture, input_size)
    if graphs.handles(request):
        converted = graphs.convert(Path(request.text), input_size)
        model, load = converted.built.model, converted.report
        require_finite(model, request.text)
    else:
        converted = None
        if check:
            raise RequestError(
                f"expected a graph file ({', '.join(graphs.TABLES)}) to check, found '{source}', which Keras opens "
                "itself; leave --check out"
            )
        opened = opening.open(source, architecture=architecture, input_size=input_size, trust=trust)
        model, load = opened.model, opened.report
    with storage.replacing(path) as partial:
        model.save(partial)
        proof = _proven(converted, partial, Path(request.text)) if converted and check else None
        done = replace(_conversion(request.text, path, model, load, converted, proof), trusted=trust)
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(INSIDE, json.dumps(_about(done), ensure_ascii=False, indent=2))
    return done


def _proven(converted: Converted, written: Path, original: Path) -> Parity:
    """The proof, for the model as it was written.

    Raises:
        ProofError: it does not hold.
    """
    loaded: Any = keras.saving.load_model(written, compile=False)
    proof = parity.compare(converted, loaded, original)
    if not proof.holds:
        raise ProofError(_disproved(proof, original))
    return proof


def _disproved(proof: Parity, original: Path) -> str:
    if proof.without_gradient:
        return f"no gradient reaches {', '.join(proof.without_gradient[:3])} of '{original}'; nothing was written"
    place = proof.first_divergence or "the output"
    found = next((item for item in proof.layers if item.layer == place), None)
    inner = (
        f"; the first layer that differs is '{place}' ('{found.value}' in the file): {found.error:.1e}" if found else ""
    )
    return (
        f"expected the outputs of {proof.runtime} for '{original}' within {proof.tolerance:.0e} of the largest, found "
        f"{proof.error:.1e}{inner}; nothing was written; without --check it is written all the same"
    )


def _conversion(
    source: str, out: Path, model: keras.Model, load: LoadReport, converted: Converted | None, proof: Parity | None
) -> Conversion:
    return Conversion(
        source=source,
        out=str(out),
        format=converted.format if converted else formats.sniff(Path(source)) if is_file(source) else "",
        whole=converted is None or converted.built.outputs == converted.graph.outputs,
        layers=len(model.layers),
        parameters=model.count_params(),
        trainable_parameters=sum(prod(variable.shape) for variable in model.trainable_variables),
        input=tuple(tuple(tensor.shape[1:]) for tensor in model.inputs),
        output=tuple(tuple(tensor.shape[1:]) for tensor in model.outputs),
        load=load,
        parity=proof,
    )


def _about(done: Conversion) -> Any:
    """What is kept in the file: all but where it was written, so that a file that is moved tells no lies."""
    return {key: value for key, value in plain.to_plain(done).items() if key != "out"}


def _ending_right(path: Path) -> Path:
    if path.is_dir():
        raise RequestError(f"expected a file to write, found the folder '{path}'; say '{path / f'model{ENDING}'}'")
    if path.suffix != ENDING:
        raise RequestError(f"expected a file name that ends in {ENDING}, found '{path}'; say '{path}{ENDING}'")
    return path
