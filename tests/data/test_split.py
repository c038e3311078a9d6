import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core import digest
from regraft.core.plan import SplitSpec
from regraft.data import split
from regraft.data.ids import Ids

SPEC = SplitSpec()

contents = st.lists(st.integers(0, 40), min_size=1, max_size=60)
parts = st.tuples(st.floats(0, 0.5), st.floats(0, 0.49)).map(lambda pair: SplitSpec(*pair))


def ids_of(numbers: list[int]) -> list[str]:
    return [digest.of_strings([str(number)]) for number in numbers]


def nothing(numbers: list[int]) -> list[None]:
    return [None] * len(numbers)


def divide(ids: list[str], labels: list[int], stated: list[str | None], spec: SplitSpec) -> split.Splits:
    return split.divide(Ids.of(ids), np.asarray(labels), split.stated(stated), spec)


@given(contents, parts)
def test_identical_content_is_never_apart(numbers: list[int], spec: SplitSpec) -> None:
    # Labels differ even where contents are the same.
    labels = [index % 3 for index in range(len(numbers))]
    divided = divide(ids_of(numbers), labels, nothing(numbers), spec)
    sides = {number: {str(side) for n, side in zip(numbers, divided, strict=True) if n == number} for number in numbers}
    assert all(len(found) == 1 for found in sides.values())


@given(contents, contents, parts)
def test_adding_examples_moves_none_of_a_class_that_trains(old: list[int], new: list[int], spec: SplitSpec) -> None:
    before = divide(ids_of(old), [0] * len(old), nothing(old), spec)
    after = divide(ids_of(old + new), [0] * len(old + new), nothing(old + new), spec)
    rescued = not any(split.place(id_) >= spec.test + spec.validation for id_ in ids_of(old))
    if not rescued:
        assert list(before) == list(after[: len(old)])


@given(contents, parts, st.randoms())
def test_the_order_does_not_matter(numbers: list[int], spec: SplitSpec, random: object) -> None:
    labels = [number % 4 for number in numbers]
    order = list(range(len(numbers)))
    random.shuffle(order)
    divided = divide(ids_of(numbers), labels, nothing(numbers), spec)
    shuffled = divide(ids_of([numbers[i] for i in order]), [labels[i] for i in order], nothing(numbers), spec)
    assert [divided[i] for i in order] == list(shuffled)


@given(contents, parts)
def test_every_class_has_a_training_example(numbers: list[int], spec: SplitSpec) -> None:
    labels = np.array([number % 5 for number in numbers])
    divided = divide(ids_of(numbers), labels, nothing(numbers), spec)
    assert set(labels.tolist()) == set(labels[divided == "train"].tolist())


@given(contents, parts, st.data())
def test_stated_splits_are_kept(numbers: list[int], spec: SplitSpec, data: st.DataObject) -> None:
    stated = data.draw(
        st.lists(st.sampled_from(["validation", "test", "train", None]), min_size=len(numbers), max_size=len(numbers))
    )
    if not any(stated):
        return
    divided = divide(ids_of(numbers), [0] * len(numbers), stated, spec)
    for want, got in zip(stated, divided, strict=True):
        if want in ("validation", "test"):
            assert got == want
        elif "validation" in stated:
            assert got == "train"
        else:
            assert got in ("train", "validation")


def test_parts_are_about_as_large_as_asked() -> None:
    numbers = list(range(20_000))
    divided = divide(ids_of(numbers), [0] * 20_000, nothing(numbers), SplitSpec(0.2, 0.1))
    # Three standard deviations of a binomial count of 20,000 are below 0.9 %.
    assert (divided == "validation").mean() == pytest.approx(0.2, abs=0.009)
    assert (divided == "test").mean() == pytest.approx(0.1, abs=0.009)


def test_validation_is_carved_out_of_stated_training_examples_and_no_test_is_made_up() -> None:
    numbers = list(range(20_000))
    divided = divide(ids_of(numbers), [0] * 20_000, ["train"] * 20_000, SplitSpec(0.2, 0.2))
    assert (divided == "validation").mean() == pytest.approx(0.25, abs=0.01)
    assert not (divided == "test").any()


def test_the_example_of_highest_place_returns_with_its_twins() -> None:
    numbers = [number for number in range(1000) if split.place(ids_of([number])[0]) < 0.3][:5]
    ids = ids_of([*numbers, *numbers])
    highest = max(ids, key=split.place)
    divided = divide(ids, [0] * 10, nothing(ids), SPEC)
    assert [id_ for id_, side in zip(ids, divided, strict=True) if side == "train"] == [highest, highest]


def test_a_stated_split_without_training_examples_of_a_class_is_left_alone() -> None:
    ids = ids_of([1, 2])
    assert list(divide(ids, [0, 1], ["train", "test"], SplitSpec(0, 0))) == ["train", "test"]


def test_places_do_not_change_between_versions() -> None:
    assert split.place("abc") == 0.6899474456648287
    divided = divide(ids_of(list(range(8))), [0] * 8, [None] * 8, SPEC)
    assert divided.tolist() == ["train", "test", "train", "train", "train", "validation", "train", "train"]


def test_the_places_of_many_are_those_of_each() -> None:
    ids = ids_of(list(range(500)))
    assert split.places(Ids.of(ids)).tolist() == [split.place(id_) for id_ in ids]


def test_splits_are_compared_and_chosen_as_an_array_of_strings_would_be() -> None:
    words = ["train", "test", "validation", "train"]
    splits, strings = split.Splits.of(words), np.array(words)
    assert splits.tolist() == list(splits) == words
    for name in ("train", "validation", "test", "other"):
        assert (splits == name).tolist() == (strings == name).tolist()
        assert (splits != name).tolist() == (strings != name).tolist()
    assert (splits == splits[::-1]).tolist() == (strings == strings[::-1]).tolist()
    assert (splits == strings[::-1]).tolist() == (strings == strings[::-1]).tolist()
    assert splits[splits == "train"].tolist() == ["train", "train"]
    assert splits[np.array([2, 1])].tolist() == ["validation", "test"]
    assert splits[-1] == "train"
    assert np.asarray(splits).tolist() == words
    assert splits.codes.nbytes == 4


@given(contents, st.lists(st.integers(0, 3), min_size=60, max_size=60), parts)
def test_classes_without_training_examples_get_back_what_lies_highest(
    numbers: list[int], classes: list[int], spec: SplitSpec
) -> None:
    ids, labels = ids_of(numbers), classes[: len(numbers)]
    by_place = [
        "test"
        if split.place(id_) < spec.test
        else "validation"
        if split.place(id_) < spec.test + spec.validation
        else ""
        for id_ in ids
    ]
    back = set()
    for label in {*labels} - {label for label, side in zip(labels, by_place, strict=True) if not side}:
        back.add(max((id_ for id_, own in zip(ids, labels, strict=True) if own == label), key=split.place))
    expected = ["train" if id_ in back else side or "train" for id_, side in zip(ids, by_place, strict=True)]
    assert divide(ids, labels, nothing(numbers), spec).tolist() == expected
