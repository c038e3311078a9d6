"""What the README of a model on a hub says: its YAML head, its first paragraph, how to cite it.

The head: https://huggingface.co/docs/hub/model-cards#model-card-metadata. It is data and runs nothing; what is of an
unexpected type is left out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_BIBTEX = re.compile(r"^ *```[^\n]*\n\s*(@\w+\s*\{.*?)^ *```", re.DOTALL | re.MULTILINE)
_LONGEST = 1 << 20
_SUMMARY = 300


@dataclass(frozen=True, slots=True)
class HubReadme:
    """What is said of a model.

    Attributes:
        licence: as the hub calls it; empty where none is said.
        task: the hub's `pipeline_tag`.
        tags: words to find it by.
        base_models: what it was made of, by their names on the hub.
        datasets: what it learnt from, likewise.
        library: that it is for.
        results: measured figures in words, such as `accuracy 0.91 on flowers (test)`.
        summary: the first paragraph.
        citation: what to cite, BibTeX.
        trouble: why the head could not be read; empty where it could.
    """

    licence: str = ""
    task: str = ""
    tags: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    library: str = ""
    results: tuple[str, ...] = ()
    summary: str = ""
    citation: str = ""
    trouble: str = ""


def read(text: str) -> HubReadme:
    r"""What a README says, as far as it can be told.

    >>> said = read("---\nlicense: mit\ntags: [plants, 3]\n---\n# Flowers\n\nTells flowers apart.\n")
    >>> said.licence, said.tags, said.summary
    ('mit', ('plants',), 'Tells flowers apart.')
    """
    text = text[:_LONGEST]
    found = _HEAD.match(text)
    body = text[found.end() :] if found else text
    head, trouble = _head(found[1]) if found else ({}, "")
    licence = _word(head.get("license"))
    cited = _BIBTEX.search(body)
    return HubReadme(
        licence=(_word(head.get("license_name")) or licence) if licence == "other" else licence,
        task=_word(head.get("pipeline_tag")),
        tags=_words(head.get("tags")),
        base_models=_words(head.get("base_model")),
        datasets=_words(head.get("datasets")),
        library=_word(head.get("library_name")),
        results=tuple(_results(head.get("model-index"))),
        summary=_summary(body),
        citation=cited[1].strip() if cited else "",
        trouble=trouble,
    )


def _head(text: str) -> tuple[Mapping[str, Any], str]:
    try:
        said = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return {}, " ".join(str(error).split())[:200]
    return (cast(Mapping[str, Any], said), "") if isinstance(said, dict) else ({}, "it is no table")


def _word(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _words(value: Any) -> tuple[str, ...]:
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    return tuple(word for item in items if (word := _word(item)))


def _results(index: Any) -> Iterator[str]:
    """Every figure in words: hubs say neither how many examples there were nor how sure a figure is."""
    for model in _tables(index):
        for result in _tables(model.get("results")):
            data = result.get("dataset")
            about = cast(Mapping[str, Any], data) if isinstance(data, dict) else {}
            where = f" on {_word(about.get('name'))}" if _word(about.get("name")) else ""
            split = f" ({_word(about.get('split'))})" if _word(about.get("split")) else ""
            for metric in _tables(result.get("metrics")):
                value = metric.get("value")
                if isinstance(value, (int, float)) and _word(metric.get("type")):
                    yield f"{_word(metric.get('type'))} {value:g}{where}{split}"


def _tables(value: Any) -> list[Mapping[str, Any]]:
    items = cast(list[Any], value) if isinstance(value, list) else []
    return [cast(Mapping[str, Any], item) for item in items if isinstance(item, dict)]


def _summary(body: str) -> str:
    """The first paragraph that is prose."""
    for block in re.split(r"\n\s*\n", body):
        line = " ".join(block.split())
        if line and not line.startswith(("#", "<", "|", "```", "![", "[![", "- ", "* ", "---", ">")):
            return line if len(line) <= _SUMMARY else f"{line[: _SUMMARY - 4].rstrip()} ..."
    return ""
