"""Cards and parts without a framework: enough of a model for whatever keeps and finds them."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core import safetensors
from regraft.core.card import Architecture, Card, LayerFacts, TensorFacts, digest_of


@dataclass(frozen=True)
class Made:
    """A card and its parts."""

    card: Card
    parts: dict[str, bytes]


def made(
    name: str = "net", layers: Sequence[int] = (1, 2), size: int = 4, outputs: int | None = None, **said: Any
) -> Made:
    """A model whose layers hold numbers drawn with the seeds that are given: the same seed, the same layer.

    Args:
        name: of the card.
        layers: a seed for each layer.
        size: of each layer's kernel.
        outputs: length of an answer.
        said: further fields of the card.
    """
    config = json.dumps({"class_name": "Sequential", "layers": len(layers)}).encode()
    parts = {_sha(config): config}
    facts, tensors = [], []
    for at, seed in enumerate(layers):
        kernel = np.random.default_rng(seed).normal(size=size).astype(np.float32)
        content = safetensors.to_bytes({"kernel": kernel})
        parts[_sha(content)] = content
        layer = f"layer{at}"
        facts.append(LayerFacts(name=layer, type="Dense", parameters=size, digest=_sha(content), bytes=len(content)))
        digest = _sha(safetensors.element_bytes(kernel))
        tensors.append(
            TensorFacts(name=f"{layer}/kernel", shape=kernel.shape, dtype="float32", digest=digest, layer=layer)
        )
    card = Card(
        name=name,
        digest=digest_of(tensors),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        architecture=Architecture(
            name="net",
            layers=tuple(facts),
            parameters=size * len(layers),
            bytes=sum(layer.bytes for layer in facts),
            digest=_sha(config),
            outputs=outputs,
        ),
        tensors=tuple(tensors),
        **said,
    )
    return Made(card, parts)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
