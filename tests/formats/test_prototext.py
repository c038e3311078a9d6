import hypothesis
import hypothesis.strategies as st
import pytest

from regraft.formats.prototext import Word, parsed


def test_every_way_to_write_a_value():
    text = r"""
    # a comment
    name: "it's" 'a \"net\"\n' ; other: 'x\x41',
    whole: -3 hex: 0x1F real: 1.5e-3 short: .5 single: 2.f big: inf yes: true no: false
    member: MAX list: [1, 2.5, A] list: 3
    block { inner <deep: 1> inner: {deep: 2} } empty {}
    [some.extension] { a: 1 }
    """
    assert parsed(text) == {
        "name": ['it\'sa "net"\n'],
        "other": ["xA"],
        "whole": [-3],
        "hex": [31],
        "real": [0.0015],
        "short": [0.5],
        "single": [2.0],
        "big": [float("inf")],
        "yes": [True],
        "no": [False],
        "member": ["MAX"],
        "list": [1, 2.5, "A", 3],
        "block": [{"inner": [{"deep": [1]}, {"deep": [2]}]}],
        "empty": [{}],
        "[some.extension]": [{"a": [1]}],
    }
    assert isinstance(parsed("pool: MAX")["pool"][0], Word)
    assert not isinstance(parsed('pool: "MAX"')["pool"][0], Word)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "expected ':' or a block, found the end of the text"),
        ("a:", "expected a value, found the end of the text"),
        ("a: 1\nb { c: 2", "expected a name, found the end of the text"),
        ("a: 1\n}", "expected a name, found '}' in line 2"),
        ("a 1", "expected ':' or a block, found '1' in line 1"),
        ('a: "x', "expected a name or a value in line 1"),
        ("a: [1", "expected a value, found the end of the text"),
        ("a < b: 1 }", "expected a name, found '}' in line 1"),
        (": 1", "expected a name, found ':' in line 1"),
        ("a {" * 5000, "blocks are nested more than 100 deep"),
    ],
)
def test_what_is_no_message_is_refused_with_its_line(text, message):
    with pytest.raises(ValueError, match=message.replace("{", r"\{").replace("}", r"\}")):
        parsed(text)


@hypothesis.given(st.text("abc:{}<>[]\"'\\ \n#,;0.-e", max_size=60))
def test_any_text_is_a_message_or_refused(text):
    try:
        found = parsed(text)
    except ValueError:
        return
    assert isinstance(found, dict)
