"""The key of activations: a digest of all that they depend on, and the same in words."""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

import keras

from regraft.activations.engines import BATCH, Wanted
from regraft.activations.seams import seams
from regraft.activations.views import versions
from regraft.core import digest, plain
from regraft.core.input_spec import InputSpec
from regraft.data import Examples
from regraft.graph import digest as model_digest
from regraft.graph import flow
from regraft.graph.cut_points import INPUT

# 2: the trunk is compiled in segments. 3: averages by TensorFlow's pooling.
_FORMAT = 3


class Keys:
    """What activations of a model's examples depend on, in words, with the digest of it as `key`.

    The digest of a trunk is of its structure and weights. Nothing of an example is in a key: its rows are kept under
    the digest of its content.
    """

    def __init__(
        self,
        model: keras.Model,
        inputs: InputSpec,
        examples: Examples,
        cut_points: Iterable[str],
        *,
        dtype: str = "float32",
        engine: str = "keras",
    ) -> None:
        opened = flow.read(model)
        self.depths = {INPUT: -1} | {call.name: depth for depth, call in enumerate(opened.separating())}
        wanted = list(cut_points)
        highest = max((self.depths.get(name, 0) for name in wanted), default=0)
        self.seams = [call.name for call in seams(opened) if self.depths[call.name] <= highest]
        self._trunks = model_digest.of_trunks(model, dict.fromkeys([*self.seams, *wanted]))
        self._input = {**_convention(inputs), "full_intensity": examples.full_intensity}
        self._network, self._dtype, self._engine = model.name, dtype, engine

    def owns(self, about: Mapping[str, Any]) -> bool:
        """Whether rows that depend on this, as `about` says it, are of these cut points and inputs, however kept."""
        mine = {"format": _FORMAT, "input": self._input, "backend": keras.backend.backend()}
        said = {name: about.get(name) for name in mine}
        return about.get("trunk") in self._trunks.values() and digest.of_json(said) == digest.of_json(mine)

    def by(self, engine: str) -> "Keys":
        """The same, computed by another engine."""
        other = copy(self)
        other._engine = engine
        return other

    def about(self, item: Wanted, dtype: str | None = None) -> dict[str, Any]:
        """All that the rows of an item depend on; averaged ones are small, and always float32."""
        depth = self.depths[item.cut_point]
        below = [self._trunks[name] for name in self.seams if self.depths[name] < depth]
        about = {
            "format": _FORMAT,
            "trunk": self._trunks[item.cut_point],
            # Where it is compiled apart follows from the trunk, but for layers that are called again above it.
            "segments": digest.of_strings(below),
            "pooled": item.pooled,
            "input": self._input,
            "view": item.view,
            "changes": versions(item.view),
            "dtype": "float32" if item.pooled else dtype or self._dtype,
            "batch": BATCH,
            "engine": self._engine,
            "backend": keras.backend.backend(),
        }
        return {"key": digest.of_json(about), "network": self._network, "cut_point": item.cut_point, **about}


def _convention(inputs: InputSpec) -> dict[str, Any]:
    """What of the input convention decides over activations; a vocabulary of thousands of words as its digest."""
    said = {key: value for key, value in plain.to_plain(inputs).items() if key not in ("name", "origin")}
    # What pictures have no use for is not in their keys: what was kept before there were texts is found again.
    large = {key: said.pop(key) for key in ("text", "table")}
    return said | {key: digest.of_json(value) for key, value in large.items() if value is not None}
