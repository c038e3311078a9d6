"""The page of a catalogue is whole, safe and self-contained, and says of each model what its card says."""

import base64
import hashlib
import html
import re
import time

import pytest

from regraft.core.exhibit import Exhibition
from regraft.report import zoo_page
from regraft.report.plots.zoo import draw_family, draw_kinship, families
from tests.report.exhibits import ATTACK, EXHIBITIONS, near, run, small
from tests.report.test_depth_page import words_of
from tests.report.test_page import Structure


@pytest.fixture(params=sorted(EXHIBITIONS))
def exhibition(request: pytest.FixtureRequest) -> Exhibition:
    return EXHIBITIONS[request.param]()


def test_is_balanced_and_has_every_section_once(exhibition: Exhibition) -> None:
    found = Structure(zoo_page.zoo_page(exhibition))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = [name for name in zoo_page.SECTIONS if name != "near" or exhibition.data is not None]
    assert [attributes["id"] for attributes in found.all("section")] == wanted


def test_every_link_leads_to_a_place_in_the_page(exhibition: Exhibition) -> None:
    found = Structure(zoo_page.zoo_page(exhibition))
    places = {attributes["id"] for _, attributes in found.tags if "id" in attributes}
    assert {str(attributes["href"]).removeprefix("#") for attributes in found.all("a")} <= places


def test_loads_nothing_and_runs_only_its_own_script(exhibition: Exhibition) -> None:
    page = zoo_page.zoo_page(exhibition)
    found = Structure(page)
    for tag, attributes in found.tags:
        assert tag not in {"link", "iframe", "object", "embed", "img"}
        assert not any(name.startswith("on") for name in attributes)
        assert not {"src", "srcset", "xlink:href", "action"} & set(attributes)
    policy = next(each["content"] for each in found.all("meta") if each.get("http-equiv"))
    for script in found.words["script"] if exhibition.exhibits else ():
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not re.search(r"url\(|@import", "".join(found.words["style"]))


def test_words_are_text_and_never_markup() -> None:
    page = zoo_page.zoo_page(EXHIBITIONS["hostile"]())
    assert page.count("<script") == 1
    assert "<img" not in page
    assert page.count("&lt;script&gt;") > 15
    assert ATTACK not in page


def test_no_figure_that_is_unknown_is_written_as_nan() -> None:
    page = zoo_page.zoo_page(EXHIBITIONS["undefined"]())
    assert not re.search(
        r"\b(nan|inf|None)\b", re.sub(r'data-value="[^"]*"|<script>.*?</script>', "", page, flags=re.S)
    )


def test_every_model_has_a_row_with_its_own_figures() -> None:
    record = small()
    page = zoo_page.zoo_page(record)
    for each in record.exhibits:
        (line,) = re.findall(rf'<tr id="m-{each.name}-{each.version}".*?</tr>', page, re.S)
        assert each.summary in html.unescape(line)
        values = re.findall(r'data-value="([^"]*)"', line)
        accuracy = "" if each.accuracy is None else str(each.accuracy.value)
        assert values[:4] == [
            accuracy, str(len(each.classes) or each.outputs or 0), str(each.parameters), str(each.bytes),
        ]  # fmt: skip
        assert f"--source zoo:{each.address}" in words_of(line)


def test_what_a_card_knows_is_told() -> None:
    words = words_of(zoo_page.zoo_page(small()))
    for said in (
        "mobilenet@1; cut at conv_pw_11_relu; 70 layers reused, 12 of them learnt; 58 layers the same, byte for byte",
        "frozen layers moved",
        "the state of adamw is kept",
        "88.0 % (85.0 to 90.0 %) on 500 test examples",
        "1 137 million operations for an example",
    ):
        assert said in words, said


def test_beside_data_the_nearest_is_named_and_every_model_says_how_near_it_is() -> None:
    words = words_of(zoo_page.zoo_page(near()))
    assert words.index("Nearest to meadow: flowers@1") < words.index("The models")
    assert "90.0 to 95.0 %; learnt from these examples; 5 of 5 classes by name" in words
    assert "it takes 64 numbers, the data are pictures" in words
    page = zoo_page.zoo_page(near())
    assert re.findall(r'<tr id="(m-[^"]*)"', page)[:4] == ["m-flowers-1", "m-flowers-2", "m-mobilenet-1", "m-daisies-1"]
    assert "Near the data" not in words_of(zoo_page.zoo_page(small()))


def test_a_thousand_models_make_a_page_that_can_be_mailed() -> None:
    record = EXHIBITIONS["huge"]()
    begun = time.perf_counter()
    page = zoo_page.zoo_page(record)
    # A second or so; ten leave room for a machine that does much else.
    assert time.perf_counter() - begun < 10
    assert len(page.encode()) < 4_000_000
    assert page.count('<tr id="m-') == 1000


def test_families_are_found_by_parents_and_by_what_was_said_of_sources() -> None:
    found = families(small().exhibits)
    assert [(family.name, len(family.members)) for family in found] == [("mobilenet@1", 5), ("keras:MobileNetV2", 2)]
    assert [(member.name, member.depth) for member in found[0].members] == [
        ("mobilenet@1", 0), ("flowers@1", 1), ("flowers@2", 1), ("daisies@1", 2), ("weeds@1", 3),
    ]  # fmt: skip
    assert [member.above for member in found[0].members] == [None, 0, 0, 2, 3]


def test_every_model_of_a_family_is_drawn_once_even_where_two_claim_each_other() -> None:
    found = families(EXHIBITIONS["undefined"]().exhibits)
    assert [[member.name for member in family.members] for family in found] == [["one@1", "two@1"]]
    huge = EXHIBITIONS["huge"]()
    drawn = [member.name for family in families(huge.exhibits) for member in family.members]
    assert len(drawn) == len(set(drawn))
    childless = {each.address for each in huge.exhibits} - set(drawn)
    assert all(address.startswith("net-") for address in childless)


def test_a_tree_says_how_much_was_reused_and_how_good_each_is() -> None:
    figure = draw_family(families(small().exhibits)[0])
    told = words_of(str(figure.drawing))
    assert "70 layers reused, 12 of them learnt; 90.0 %" in told
    assert "70 layers reused, all frozen; 91.0 %" in told
    assert figure.caption.replace("\xa0", " ") == "4 models made of mobilenet@1 in 3 generations."
    other = draw_family(families(small().exhibits)[1])
    assert other.caption.replace("\xa0", " ") == ("1 model made of keras:MobileNetV2, which is not in the catalogue.")


def test_a_chain_of_models_longer_than_pythons_stack_is_drawn() -> None:
    chain = [run("m0", "keras:MobileNet", 0.5)]
    chain += [run(f"m{index}", f"m{index - 1}@1", 0.5) for index in range(1, 3000)]
    (family,) = families(chain)
    assert len(family.members) == 3001
    assert family.members[-1].depth == 3000
    assert draw_family(family).drawing


def test_the_nearest_are_drawn_in_their_order_with_intervals() -> None:
    record = near()
    figure = draw_kinship(record.exhibits, 400)
    assert figure is not None
    told = words_of(str(figure.drawing))
    assert told.index("flowers@1") < told.index("mobilenet@1") < told.index("daisies@1")
    assert "flowers@1 at conv_pw_11_relu: 93.0 %, 95 %: 90.0 to 95.0 %" in told
    assert draw_kinship(small().exhibits, 0) is None
