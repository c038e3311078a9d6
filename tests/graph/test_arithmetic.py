"""Tests need no GPU: what is asked of one is seen in the framework's own settings."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations.engines import Wanted, compile_trunk
from regraft.core.input_spec import InputSpec
from regraft.graph import arithmetic


def _tensorflow() -> tuple[bool, ...]:
    import tensorflow as tf

    return (not tf.config.experimental.tensor_float_32_execution_enabled(),)


def _jax() -> tuple[bool, ...]:
    import jax

    return (jax.config.jax_default_matmul_precision == "highest",)


def _torch() -> tuple[bool, ...]:
    import torch

    cudnn = torch.backends.cudnn
    return not cudnn.allow_tf32, cudnn.deterministic


_EXACT: dict[str, Callable[[], tuple[bool, ...]]] = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


@pytest.fixture(params=_EXACT)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A backend of which it is said that it computes on a GPU."""
    pytest.importorskip(request.param)
    monkeypatch.setattr(arithmetic, "on_gpu", lambda: True)
    monkeypatch.setattr(keras.backend, "backend", lambda: request.param)
    return request.param


def test_a_gpu_computes_exactly_in_the_block_alone(backend: str) -> None:
    assert not any(_EXACT[backend]())
    with arithmetic.exactly():
        assert all(_EXACT[backend]())
    assert not any(_EXACT[backend]())


def test_what_was_set_before_is_set_again_after_an_error(backend: str) -> None:
    @arithmetic.exact
    def failing() -> None:
        assert all(_EXACT[backend]())
        raise ValueError

    with pytest.raises(ValueError):
        failing()
    assert not any(_EXACT[backend]())


def test_processors_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "on_gpu", lambda: False)
    with arithmetic.exactly():
        assert not any(_EXACT[keras.backend.backend()]())


def test_a_trunk_runs_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "on_gpu", lambda: True)
    seen: list[tuple[bool, ...]] = []

    class Looking(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            seen.append(_EXACT[keras.backend.backend()]())
            return inputs * 2.0

    given = keras.Input((3,))
    looking = Looking(name="looking")
    model = keras.Model(given, looking(given))
    seen.clear()
    run = compile_trunk(model, InputSpec((3,)), 1.0, [Wanted("looking", False)])
    np.testing.assert_array_equal(run(np.ones((2, 3), np.float32))[0], np.full((2, 3), 510.0))
    # Those before are of the look for layers that are random.
    assert all(seen[-1])
