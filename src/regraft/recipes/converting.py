"""Any network as a `.keras` file, with proof that it is the same network."""

import dataclasses
import functools
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import keras

from regraft import formats
from regraft.core import digest, plain, storage
from regraft.core.errors import ProofError, RequestError
from regraft.core.opened import Conversion, LoadReport, Parity
from regraft.core.tensors import Shape
from regraft.formats import keras_proof, torchscript
from regraft.importers import graphs, opening, originals, state_dict, torch_module
from regraft.importers.graphs import Converted
from regraft.importers.originals import files
from regraft.importers.originals import keras as keras_originals
from regraft.importers.pretrained import Ends, Request, Source, describe_inputs, require_finite
from regraft.recipes import keras_parity, parity
from regraft.recipes.inspecting import is_file

ENDING = ".keras"
# The member of the archive that tells where the model is from; Keras leaves members that it does not know alone.
INSIDE = keras_proof.INSIDE


def convert(
    source: Source,
    out: str | os.PathLike[str],
    *,
    check: bool = False,
    architecture: str | None = None,
    input_size: int | None = None,
    example: Any = None,
    inputs: str | Iterable[str] | Mapping[str, Shape | None] | None = None,
    outputs: str | Iterable[str] | None = None,
    signature: str | None = None,
    trust: bool = False,
) -> Conversion:
    """Write a network as a `.keras` file, which opens in plain Keras on every backend.

    Args:
        source: a file of any format that holds a graph or a model, an address, or a `torch.nn.Module` with an
            example; as `regraft.open` takes it.
        out: the file to write; an existing one is replaced. What became of every tensor, and the proof, are in it as
            `regraft.json`.
        check: run the original as well, on the same examples, and write nothing where the two differ.
        architecture: what builds the network where the source holds only weights.
        input_size: height and width in pixels, where the source leaves them open.
        example: what a `torch.nn.Module` is called with, as `regraft.open` takes it.
        inputs: the values of a graph file that the network is to begin at, as `regraft.open` takes them.
        outputs: the values that it is to end at.
        signature: of a SavedModel, whose ends it is to have.
        trust: let Python code in the source run; the file that is written may hold it.

    Raises:
        RequestError: the source cannot be opened, `out` does not end in `.keras`, or the original cannot be run.
        ProofError: the proof does not hold; it names the first layer that differs.
        StorageError: the disk refused.
    """
    path = ending_right(Path(out))
    ends = Ends.of(inputs, outputs, signature)
    if torch_module.is_module(source):
        return _module(source, example, path, check)
    text = os.fspath(source)
    request = Request(text, text, architecture, input_size, trust=trust, example=example, ends=ends)
    if check:
        _refuse_what_has_no_original(request)
    converted, model, load = _opened(request)
    _refuse_what_would_be_ignored(model, request)
    prove = functools.partial(_proven, request, converted, model) if check else None
    return _written(path, model, load, request, converted, prove)


def _module(module: Any, example: Any, path: Path, check: bool) -> Conversion:
    """A live module of PyTorch; with a proof, it is the original that is run."""
    text = opening.named(module)
    with torch_module.built(module, example, text) as made:
        model = made.converted.built.model
        require_finite(model, text)

        def prove(written: Path) -> Parity:
            runtime = originals.torch_module.Runtime(made.exported)
            return parity.compare(made.converted, _read(written), made.exported.path, runtime=runtime)

        request = Request(module, text, example=example)
        return _written(path, model, made.converted.report, request, made.converted, prove if check else None)


def _written(
    path: Path,
    model: keras.Model,
    load: LoadReport,
    request: Request,
    converted: Converted | None,
    prove: Callable[[Path], Parity] | None,
) -> Conversion:
    """Write the model with what is to be told about it.

    Args:
        path: the file to write.
        model: the network.
        load: what became of the tensors.
        request: what was asked for.
        converted: what the network was made from, where it was a graph.
        prove: compares the file that was written with the original; None where there is to be no proof.

    Raises:
        ProofError: the proof does not hold.
    """
    with storage.replacing(path) as partial:
        model.save(partial)
        proof = prove(partial) if prove else None
        if proof is not None and not proof.holds:
            raise ProofError(_disproved(proof, request.text))
        proof = proof and dataclasses.replace(proof, written=_members(partial))
        done = _conversion(request, path, model, load, converted, proof)
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(INSIDE, json.dumps(_about(done), ensure_ascii=False, indent=2))
    return done


def _refuse_what_has_no_original(request: Request) -> None:
    if request.architecture is not None:
        raise RequestError(
            f"expected a source that is a program to check, found weights for the architecture "
            f"'{request.architecture}', which have no original to run; leave --check out"
        )
    if is_file(request.text) and formats.sniff(Path(request.text)) == torchscript.NAME:
        raise RequestError(
            f"'{request.text}' is a TorchScript program, whose code cannot be converted, so there is nothing to check; "
            "export the network as ONNX with torch.onnx.export and convert that"
        )
    if state_dict.handles(request):
        raise RequestError(
            f"expected a source that is a program to check, found a state dict '{request.text}', which holds no graph "
            "that another program could run; leave --check out"
        )


def _refuse_what_would_be_ignored(model: keras.Model, request: Request) -> None:
    size = request.input_size
    if size is not None and not any(tuple(tensor.shape[1:3]) == (size, size) for tensor in model.inputs):
        raise RequestError(
            f"expected --input-size only where the source leaves the size open, found {size} for an input of "
            f"{describe_inputs(model)} in '{request.text}'; leave it out"
        )


def _opened(request: Request) -> tuple[Converted | None, keras.Model, LoadReport]:
    if graphs.handles(request):
        converted = graphs.convert(Path(request.text), request.input_size, request.ends)
        require_finite(converted.built.model, request.text)
        return converted, converted.built.model, converted.report
    ends = request.ends or Ends()
    opened = opening.open(
        request.source,
        architecture=request.architecture,
        input_size=request.input_size,
        example=request.example,
        inputs=ends.inputs,
        outputs=ends.outputs,
        signature=ends.signature,
        trust=request.trust,
    )
    return None, opened.model, opened.report


def _proven(request: Request, converted: Converted | None, model: keras.Model, written: Path) -> Parity:
    """The proof, for the model as it was written."""
    path = Path(request.text)
    loaded = _read(written, request.trust)
    if converted is not None:
        return parity.compare(converted, loaded, path)
    if is_file(request.text):
        return keras_parity.compare(loaded, keras_originals.original(path, model), files.checksums(path))
    return keras_parity.compare(loaded, keras_originals.Original(model, keras_originals.today()), {})


def _read(written: Path, trust: bool = False) -> Any:
    return keras.saving.load_model(written, compile=False, safe_mode=not trust)


def _members(written: Path) -> dict[str, str]:
    """Checksums of what holds the network in a `.keras` file."""
    found: dict[str, str] = {}
    with zipfile.ZipFile(written) as archive:
        for name in keras_proof.MEMBERS:
            with archive.open(name) as member:
                found[name] = digest.sha256(member)
    return found


def _disproved(proof: Parity, original: str) -> str:
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
    request: Request,
    out: Path,
    model: keras.Model,
    load: LoadReport,
    converted: Converted | None,
    proof: Parity | None,
) -> Conversion:
    source = request.text
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
        trusted=request.trust,
    )


def _about(done: Conversion) -> Any:
    """What is kept in the file: all but where it was written, so that a file that is moved tells no lies."""
    return {key: value for key, value in plain.to_plain(done).items() if key != "out"}


def ending_right(path: Path) -> Path:
    """The path, if a model can be written there.

    Raises:
        RequestError: it is a folder, or does not end in `.keras`.
    """
    if path.is_dir():
        raise RequestError(f"expected a file to write, found the folder '{path}'; say '{path / f'model{ENDING}'}'")
    if path.suffix != ENDING:
        raise RequestError(
            f"expected a file name that ends in {ENDING}, found '{path}'; say '{path.with_suffix(ENDING)}'"
        )
    return path
