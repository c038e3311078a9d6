"""What holds for a catalogue wherever it is: a folder, object storage, a server, a server with a folder."""

import dataclasses
import json
import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from regraft.catalogue import Catalogue, Filters, filing
from regraft.catalogue.parts import digest_of
from regraft.catalogue.verifying import verify
from regraft.core import card as cards
from regraft.core import safetensors
from regraft.core.card import Lineage
from regraft.core.errors import CorruptFileError, RequestError
from regraft.core.progress import collecting_warnings
from tests.catalogue.conftest import S3
from tests.catalogue.making import made

Opened = Callable[[], Catalogue]


def test_object_storage_is_among_them() -> None:
    if not S3:
        pytest.skip("needs a server of S3: pip install s3fs 'moto[server]'")


def test_what_is_read_is_what_was_added(catalogue: Catalogue, opened: Opened) -> None:
    given = made("net", tags=("a", "b"), classes=("x", "y"))
    added = catalogue.add(given.card, given.parts)
    assert added == dataclasses.replace(given.card, version=1)
    other = opened()
    assert other.card("net") == other.card("net@1") == added
    assert dict(other.parts(added)) == given.parts
    assert [entry.address for entry in other.search()] == ["net@1"]


def test_versions_count_up_and_the_latest_is_meant_where_none_is_said(catalogue: Catalogue, opened: Opened) -> None:
    for seed in range(3):
        given = made("net", layers=(seed,))
        assert catalogue.add(given.card, given.parts).version == seed + 1
    other = opened()
    assert other.card("net").version == 3
    assert [entry.version for entry in other.versions("net")] == [3, 2, 1]
    assert [entry.address for entry in other.search()] == ["net@3"]
    assert len(other.search("", Filters(versions=True))) == 3
    with pytest.raises(RequestError, match=r"'net' has no version 9 in '.*'; it has: 1, 2, 3"):
        other.card("net@9")
    with pytest.raises(RequestError, match=r"found 'nett'; nearest known names: net$"):
        other.card("nett")


def test_the_same_again_is_the_version_that_is_there_and_other_words_are_a_new_one(catalogue: Catalogue) -> None:
    given = made("net")
    first = catalogue.add(given.card, given.parts)
    later = dataclasses.replace(given.card, created="2030-01-01T00:00:00+00:00", environment={"keras": "9"})
    assert catalogue.add(later, given.parts) == first
    assert catalogue.add(dataclasses.replace(given.card, licence="MIT"), given.parts).version == 2
    # Also where it is not the latest.
    assert catalogue.add(later, given.parts) == first


def test_a_layer_is_stored_once_however_many_models_have_it(catalogue: Catalogue) -> None:
    for name, layers in (("a", (1, 2, 3)), ("b", (1, 2, 4)), ("c", (1, 2, 4))):
        given = made(name, layers=layers)
        catalogue.add(given.card, given.parts)
    # Four layers, and one architecture that all three have.
    assert len(list(catalogue.parts_place.keys(filing.PARTS))) == 5
    asked = [layer.digest for layer in made(layers=(1, 2, 3)).card.architecture.layers]
    assert catalogue.sharing(asked) == {"a@1": 3, "b@1": 2, "c@1": 2}


def test_a_part_that_is_not_what_its_name_says_is_refused_and_the_model_is_not_there(catalogue: Catalogue) -> None:
    given = made("net")
    name = given.card.architecture.layers[0].digest
    with pytest.raises(RequestError, match=f"expected a part with SHA-256 {name}, found "):
        catalogue.add(given.card, {**given.parts, name: b"something else"})
    with pytest.raises(RequestError, match=f"found none with digest {name}"):
        catalogue.add(given.card, {key: part for key, part in given.parts.items() if key != name})
    assert catalogue.search() == ()


WORDS = {
    "flowers-MobileNetV2": ("daisy", "tulip", "Löwenzahn"),
    "digits_lenet": ("zero", "one", "two"),
    "Café.faces": ("happy", "sad"),
    "signs": ("STOP", "give way"),
}
ASKED = (
    *("mobile", "mob tul", "lenet", "net", "löwen", "lowen", "cafe", "CAFÉ", "give", "way give", "st", "z", "o"),
    *("nothing", "happy sad", "flowers-mobilenetv2"),
)


def _plain_words(text: str) -> set[str]:
    """Words as people would say them, found without what the catalogue finds them by."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    humps = re.sub(r"([a-z])([A-Z])", r"\1 \2", bare)
    return {word.lower() for part in (bare, humps) for word in re.split(r"[^A-Za-z0-9]+", part) if word}


def test_a_search_finds_what_has_words_that_begin_so_and_nothing_else(catalogue: Catalogue) -> None:
    known: dict[str, set[str]] = {}
    for seed, (said, classes) in enumerate(WORDS.items()):
        name = said.replace("é", "e")
        given = made(name, layers=(seed,), classes=classes)
        catalogue.add(given.card, given.parts)
        known[name] = _plain_words(f"{name} {' '.join(classes)}") | {"dense", "network", "net"}
    for asked in ASKED:
        parts = _plain_words(asked)
        expected = {
            name for name, words in known.items() if all(any(word.startswith(part) for word in words) for part in parts)
        }
        assert {entry.name for entry in catalogue.search(asked)} == expected, asked


def test_a_word_of_the_name_counts_more_than_one_that_is_said_of_a_model(catalogue: Catalogue) -> None:
    for name, summary in (("a-roses", ""), ("tulips", "not roses"), ("zz-roses", "")):
        given = made(name, summary=summary)
        catalogue.add(given.card, given.parts)
    assert catalogue.search("roses")[-1].name == "tulips"


def test_filters_leave_what_is_so(catalogue: Catalogue) -> None:
    for seed, (name, kind, tags) in enumerate([("a", "run", ("x", "y")), ("b", "network", ("x",)), ("c", "run", ())]):
        given = made(name, layers=range(seed * 10, seed * 10 + seed + 1), kind=kind, tags=tags, classes=("p", "q"))
        catalogue.add(given.card, given.parts)

    def names(**said: object) -> list[str]:
        return [entry.name for entry in catalogue.search("", Filters(**said))]  # pyright: ignore

    assert names(kind="run") == ["a", "c"]
    assert names(tags=("x",)) == ["a", "b"]
    assert names(tags=("x", "y")) == ["a"]
    assert names(most_parameters=8) == ["a", "b"]
    assert names(classes=2, kind="network") == ["b"]
    unnamed = [made(kind, layers=[50 + at], kind=kind, outputs=7) for at, kind in enumerate(("network", "pretraining"))]
    for given in unnamed:
        catalogue.add(given.card, given.parts)
    assert names(classes=7) == ["network"]
    assert names(classes=3) == names(licence="MIT") == names(least_accuracy=0.1) == []
    assert len(catalogue.search("", limit=2)) == 2


def test_what_was_made_of_what_is_known(catalogue: Catalogue) -> None:
    parent = made("parent")
    catalogue.add(parent.card, parent.parts)
    child = made("child", layers=(1, 5), lineage=Lineage(source="x", parent="parent@1"))
    catalogue.add(child.card, child.parts)
    assert [entry.address for entry in catalogue.children("parent@1")] == ["child@1"]
    assert [entry.address for entry in catalogue.by_digest(parent.card.digest)] == ["parent@1"]
    assert catalogue.by_digest("0" * 64) == ()


def test_what_is_removed_is_gone_with_what_nobody_else_needs_and_its_number_is_not_given_again(
    catalogue: Catalogue, opened: Opened
) -> None:
    first, second = made("net", layers=(1, 2)), made("other", layers=(1, 3))
    catalogue.add(first.card, first.parts)
    catalogue.add(second.card, second.parts)
    removed = catalogue.remove("net")
    assert removed.removed == ("net@1",)
    assert removed.parts == 1  # the layer of seed 2
    there = {filing.part_digest(found.key) for found in catalogue.parts_place.keys(filing.PARTS)}
    assert there == set(second.parts)
    other = opened()
    assert [entry.name for entry in other.search()] == ["other"]
    with pytest.raises(RequestError, match="'net@1' was removed from "):
        other.card("net@1")
    assert other.add(first.card, first.parts).version == 2
    assert verify(other).holds


def test_which_version_is_to_be_removed_has_to_be_said_where_there_are_several(catalogue: Catalogue) -> None:
    for seed in (1, 2):
        given = made("net", layers=(seed,))
        catalogue.add(given.card, given.parts)
    with pytest.raises(RequestError, match="expected which version of 'net' to remove, found several: net@1, net@2"):
        catalogue.remove("net")
    catalogue.remove("net@2")
    assert catalogue.card("net").version == 1


def test_of_several_who_write_at_once_each_gets_a_number_and_nothing_is_lost(opened: Opened) -> None:
    writers, each = 6, 4
    catalogues = [opened() for _ in range(writers)]

    def write(number: int) -> list[str]:
        added: list[str] = []
        for turn in range(each):
            given = made("net", layers=(1, 100 + number * each + turn))
            added.append(catalogues[number].add(given.card, given.parts).address)
        return added

    with ThreadPoolExecutor(writers) as pool:
        written = [address for some in pool.map(write, range(writers)) for address in some]
    assert sorted(written) == sorted(f"net@{number}" for number in range(1, writers * each + 1))
    reader = opened()
    assert {entry.address for entry in reader.search("", Filters(versions=True))} == set(written)
    verified = verify(reader)
    assert verified.holds
    # One layer of all, one of each, one architecture.
    assert (verified.cards, verified.parts) == (writers * each, writers * each + 2)


def test_an_index_that_is_forgotten_is_found_again(catalogue: Catalogue, opened: Opened) -> None:
    for seed in range(3):
        given = made(f"net{seed}", layers=(seed,), tags=("t",))
        catalogue.add(given.card, given.parts)
    before = (catalogue.search("net"), catalogue.search("", Filters(tags=("t",))), catalogue.names())
    catalogue.refresh()
    other = opened()
    assert (other.search("net"), other.search("", Filters(tags=("t",))), other.names()) == before


def test_a_card_that_somebody_else_wrote_is_seen_by_whoever_is_open_already(
    catalogue: Catalogue, opened: Opened
) -> None:
    assert catalogue.search() == ()
    given = made("net")
    opened().add(given.card, given.parts)
    assert [entry.name for entry in catalogue.search()] == ["net"]
    opened().remove("net")
    assert catalogue.search() == ()


def test_a_damaged_card_is_named_and_everything_else_goes_on(catalogue: Catalogue, opened: Opened) -> None:
    for name in ("a", "b"):
        given = made(name, layers=(ord(name),))
        catalogue.add(given.card, given.parts)
    key = filing.card_key("a", 1)
    content = catalogue.cards_place.read(key)
    assert content is not None
    # Still JSON, and still a card: only the digest tells.
    catalogue.cards_place.put(key, content.replace(b'"Dense"', b'"Dents"', 1))
    with pytest.raises(CorruptFileError, match=r"^the card of 'a@1' is damaged: its bytes are not those "):
        catalogue.card("a")
    catalogue.refresh()
    other = opened()
    with collecting_warnings() as warned:
        assert [entry.name for entry in other.search()] == ["b"]
    assert [message.partition(":")[0] for message in warned] == ["the card of 'a@1' is damaged"]
    verified = verify(other)
    assert not verified.holds
    assert [damage.what for damage in verified.damage] == ["a@1"]
    # Its weights may be needed again when the card is put back.
    assert verify(other, repair=True).removed == 0
    other.cards_place.put(key, content)
    assert verify(other, repair=True).holds
    assert [entry.name for entry in other.search()] == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"card": {}, "sha256": ""}', b"\xff\xfe"])
def test_what_is_no_card_is_told_as_damaged(catalogue: Catalogue, content: bytes) -> None:
    given = made("a")
    catalogue.add(given.card, given.parts)
    catalogue.cards_place.put(filing.card_key("a", 1), content)
    with pytest.raises(CorruptFileError, match="the card of 'a@1' is damaged: "):
        catalogue.card("a")
    assert catalogue.remove("a@1").removed == ("a@1",)


def test_a_damaged_and_a_missing_part_are_named_and_healed_by_adding_again(catalogue: Catalogue) -> None:
    given = made("net", layers=(1, 2, 3))
    added = catalogue.add(given.card, given.parts)
    altered, missing = added.architecture.layers[0].digest, added.architecture.layers[1].digest
    catalogue.parts_place.put(filing.part_key(altered), given.parts[altered][:-1] + b"?")
    catalogue.parts_place.remove(filing.part_key(missing))
    parts = catalogue.parts(added)
    with pytest.raises(CorruptFileError, match=r"was altered: layer 'layer0' of 'net@1'; add the model again"):
        _ = parts[altered]
    with pytest.raises(CorruptFileError, match=r"is missing: layer 'layer1' of 'net@1'"):
        _ = parts[missing]
    verified = verify(catalogue, repair=True)
    assert not verified.holds
    assert {(damage.what, damage.models, damage.repaired) for damage in verified.damage} == {
        (filing.part_key(altered), ("net@1",), True),
        (filing.part_key(missing), ("net@1",), False),
    }
    assert catalogue.add(given.card, given.parts) == added
    assert verify(catalogue).holds


def test_a_card_of_a_newer_version_is_named_and_left_with_all_that_it_may_need(
    catalogue: Catalogue, opened: Opened
) -> None:
    given = made("net")
    added = catalogue.add(given.card, given.parts)
    key = filing.card_key("net", 1)
    content = catalogue.cards_place.read(key)
    assert content is not None
    said = {**json.loads(content)["card"], "format": cards.FORMAT + 1, "colour": "blue"}
    seal = digest_of(json.dumps(said, sort_keys=True, separators=(",", ":")).encode())
    catalogue.cards_place.put(key, json.dumps({"sha256": seal, "card": said}).encode())
    with pytest.raises(RequestError, match=r"'net@1' is a card of format 2, and this version reads up to 1; upgrade"):
        catalogue.card("net")
    catalogue.refresh()
    other = opened()
    with collecting_warnings() as warned:
        assert other.search() == ()
    assert len(warned) == 1
    assert [other.drop_part(digest) for digest in added.parts] == [None] * len(added.parts)
    verified = verify(other, repair=True)
    assert len(verified.newer) == 1
    assert verified.removed == 0
    assert {filing.part_digest(found.key) for found in other.parts_place.keys(filing.PARTS)} == set(given.parts)


def test_what_is_cleaned_up_while_a_model_that_needs_it_is_added_is_there_in_the_end(
    catalogue: Catalogue, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = made("net")
    left = given.card.architecture.layers[0].digest
    catalogue.parts_place.put(filing.part_key(left), given.parts[left])
    cleaning = opened()
    commit = Catalogue._commit

    def with_cleaning_before(self: Catalogue, card: cards.Card) -> cards.Card:
        # Found to be there already, and gone before the card is.
        assert cleaning.drop_part(left) == len(given.parts[left])
        return commit(self, card)

    monkeypatch.setattr(Catalogue, "_commit", with_cleaning_before)
    catalogue.add(given.card, given.parts)
    assert verify(catalogue).holds
    # And once the card is there, it is not removed at all.
    assert cleaning.drop_part(left) is None
    assert verify(catalogue).holds


def test_removal_that_was_interrupted_is_ended_by_repairing(catalogue: Catalogue, opened: Opened) -> None:
    given = made("net")
    catalogue.add(given.card, given.parts)
    catalogue.cards_place.put_new(filing.removed_key("net", 1), b"")
    catalogue.refresh()
    other = opened()
    assert other.search() == ()
    verified = verify(other, repair=True)
    assert [(damage.what, damage.repaired) for damage in verified.damage] == [("net@1", True)]
    assert verified.holds
    assert other.cards_place.read(filing.card_key("net", 1)) is None


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 64, safetensors.to_bytes({"other": np.zeros(4)})])
def test_a_part_that_holds_something_else_is_told_whoever_put_it_there(catalogue: Catalogue, content: bytes) -> None:
    given = made("net", layers=(1,))
    (layer,) = given.card.architecture.layers
    lying = dataclasses.replace(layer, digest=digest_of(content))
    changed = dataclasses.replace(
        given.card, architecture=dataclasses.replace(given.card.architecture, layers=(lying,), digest=lying.digest)
    )
    added = catalogue.add(changed, {**given.parts, lying.digest: content})
    with pytest.raises(CorruptFileError, match="does not hold what the card says"):
        catalogue.parts(added).layer(lying)
    with pytest.raises(CorruptFileError, match="is no configuration: the architecture of 'net@1'"):
        catalogue.parts(added).configuration()
