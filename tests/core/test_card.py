"""Cards: frozen, told from what is no card, and one digest for the same weights."""

import dataclasses
import json

import pytest

from regraft.core import card
from regraft.core.card import Architecture, Card, LayerFacts, OptimizerFacts, TensorFacts
from regraft.core.errors import RequestError

A, B, C = (letter * 64 for letter in "abc")
LAYERS = (LayerFacts(name="in", type="InputLayer"), LayerFacts(name="top", type="Dense", digest=B, bytes=8))
ARCHITECTURE = Architecture(name="net", layers=LAYERS, parameters=2, bytes=8, digest=A)
TENSORS = (
    TensorFacts(name="top/kernel", shape=(1, 1), dtype="float32", digest=A, layer="top"),
    TensorFacts(name="top/bias", shape=(1,), dtype="float32", digest=B, layer="top"),
)
CARD = Card(name="net", version=2, digest=C, created="2026-11-26T00:00:00Z", architecture=ARCHITECTURE, tensors=TENSORS)


def test_a_card_is_what_was_written() -> None:
    assert card.read(card.write(CARD), "net@2") == CARD
    assert CARD.address == "net@2"


def test_a_card_needs_the_parts_of_its_architecture_its_layers_and_its_optimizer() -> None:
    assert CARD.parts == {A: 0, B: 8}
    state = OptimizerFacts(kinds=("adam",), slots=("momentum",), variables=1, steps=3, digest=C, bytes=5)
    assert dataclasses.replace(CARD, optimizer=state).parts == {A: 0, B: 8, C: 5}


def test_the_digest_of_weights_knows_names_types_shapes_and_bytes_and_no_order() -> None:
    digest = card.digest_of(TENSORS)
    assert card.digest_of(reversed(TENSORS)) == digest
    for change in ({"name": "x"}, {"shape": (1, 2)}, {"dtype": "float16"}, {"digest": C}):
        assert card.digest_of([dataclasses.replace(TENSORS[0], **change), TENSORS[1]]) != digest


def test_a_card_of_a_newer_format_is_refused_by_what_is_needed() -> None:
    newer = json.dumps({**json.loads(card.write(CARD)), "format": card.FORMAT + 1, "colour": "blue"})
    with pytest.raises(RequestError, match=r"^'x' is a card of format 2, and this version reads up to 1; upgrade with"):
        card.read(newer, "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "'x' is not the card of a model: Expecting property name"),
        ("[]", "'x' is not the card of a model: expected a table, found list"),
        ('{"nam": 1}', "'x' is not the card of a model: unknown key 'nam'; nearest known names: name"),
    ],
)
def test_what_is_no_card_is_told(text: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        card.read(text, "x")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "a@1", "-a", "a-", "x" * 101, "ä"])
def test_names_that_could_be_no_file_everywhere_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="expected a name of up to 100 letters"):
        card.require_name(name)


@pytest.mark.parametrize("text", ["a@", "a@0", "a@x", "a@1.5", "a@-1"])
def test_a_version_is_a_number_from_1(text: str) -> None:
    with pytest.raises(RequestError, match="expected NAME or NAME@VERSION with a version such as 1, found 'a@"):
        card.parse_address(text)


def test_digests_that_are_none_are_refused() -> None:
    with pytest.raises(RequestError, match=r"expected a SHA-256 of 64 hexadecimal digits, found '\.\./\.\./secret'"):
        dataclasses.replace(CARD, architecture=dataclasses.replace(ARCHITECTURE, digest="../../secret"))
