"""What READMEs on hubs say is read as far as it goes, and nothing in them does harm."""

import pytest

from regraft.formats.hub_readme import HubReadme, read

TIMM = """---
license: apache-2.0
library_name: timm
tags:
- image-classification
- timm
datasets:
- imagenet-1k
- imagenet-21k
base_model: [timm/resnet18.a1_in1k]
pipeline_tag: image-classification
model-index:
- name: x
  results:
  - task: {type: image-classification}
    dataset: {name: ImageNet, type: imagenet-1k, split: validation}
    metrics:
    - type: accuracy
      value: 0.715
    - type: nonsense
---
# Model card for resnet18.a1_in1k

![a picture](x.png)

A ResNet-B image classification
model.

## Citation

```bibtex
@article{He2015,
  title = {Deep Residual Learning}
}
```
"""


def test_a_head_a_summary_and_a_citation_are_read() -> None:
    assert read(TIMM) == HubReadme(
        licence="apache-2.0",
        task="image-classification",
        tags=("image-classification", "timm"),
        base_models=("timm/resnet18.a1_in1k",),
        datasets=("imagenet-1k", "imagenet-21k"),
        library="timm",
        results=("accuracy 0.715 on ImageNet (validation)",),
        summary="A ResNet-B image classification model.",
        citation="@article{He2015,\n  title = {Deep Residual Learning}\n}",
    )


def test_lines_of_windows_and_a_mark_at_the_beginning_are_read() -> None:
    assert read("\ufeff" + TIMM.replace("\n", "\r\n")).licence == "apache-2.0"


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("---\nlicense: [mit\n---\nx", "while parsing"),
        ("---\n- a\n---\nx", "it is no table"),
        ("---\n!!python/object/apply:os.system ['true']\n---\nx", "could not determine a constructor"),
        ("---\n" + "[" * 4000 + "\n---\nx", ""),
    ],
)
def test_a_head_that_cannot_be_read_is_told_and_the_rest_is_there(text: str, trouble: str) -> None:
    said = read(text)
    assert trouble in said.trouble
    assert said.trouble
    assert said.summary == "x"


@pytest.mark.parametrize(
    "text", ["", "no head", "---\nlicense: 3\ntags: {a: b}\nmodel-index: [1, {results: x}]\n---\n"]
)
def test_what_is_missing_or_of_another_kind_is_left_out(text: str) -> None:
    said = read(text)
    assert (said.licence, said.tags, said.results, said.trouble) == ("", (), (), "")


def test_references_to_references_do_not_grow() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{f'*{chr(97 + i)},' * 9}]\n" for i in range(20))
    said = read(f"---\n{bomb}tags: *u\nlicense: mit\n---\n")
    assert (said.licence, said.tags) == ("mit", ())


def test_a_long_paragraph_is_cut() -> None:
    assert len(read("word " * 500).summary) == 300
