"""`zoo list` and `zoo search` with `--zoo keras|keras-hub|timm`: published networks, from facts that are shipped."""

import argparse
from collections.abc import Iterable
from dataclasses import replace

from regraft.cli.text import counted, paragraph, share, table
from regraft.cli.zoo import unfit
from regraft.core.errors import RequestError
from regraft.core.public import PublicNetwork, PublicZoo

RESULT = "PublicZoo"
# Known without looking, so that a catalogue of one's own is opened at once; a test compares them.
ZOOS = ("keras", "keras-hub", "timm")
_OF_CARDS = {"--kind": "kind", "--task": "task", "--tag": "tag", "--classes": "classes", "--versions": "versions"}
_HEADS = ["network", "pixels", "parameters", "top-1", "top-5", "learnt from", "licence", "here"]
_NUMBERS = (1, 2, 3, 4)
# In the facts: the word for it is said once.
_USUAL = "ImageNet-1k"


def is_one(zoo: str | None) -> bool:
    """Whether what was said as the catalogue is a place where networks are published."""
    return zoo in ZOOS


def run(arguments: argparse.Namespace, text: str = "") -> PublicZoo:
    """What is known of a public zoo.

    Args:
        arguments: of `list` or `search`.
        text: words to choose by.

    Raises:
        RequestError: something was asked that only cards say.
    """
    for option, name in _OF_CARDS.items():
        if getattr(arguments, name):
            raise RequestError(f"expected {option} only for your own catalogue: of published networks nothing says it")
    # Here, because this needs more than the help does.
    from regraft.zoo.public import public

    asked = {name: getattr(arguments, name) for name in ("licence", "most_parameters", "least_accuracy")}
    found = public(arguments.zoo, text, **asked)
    there = () if found.networks else public(arguments.zoo, text).networks
    if not there:
        return found
    said = f"none of {counted(len(there), 'network')} fits: {unfit.of_networks(there, **asked)}"
    return replace(found, unfit=said)


def show(result: PublicZoo) -> str:
    """For people."""
    if not result.networks:
        return f"{result.title}: {result.unfit or 'no network that is called so'}"
    here = [network for network in result.networks if network.here]
    many = counted(len(result.networks), "network")
    lines = [f"{result.title}: {many}, {len(here) or 'none'} of them here, in {result.folder}", ""]
    lines += [_table(network for network in result.networks if network.takes == "pictures")]
    lines += [_table(network for network in result.networks if network.takes == "texts")]
    lines += ["", *_how(result, here)]
    return "\n".join(line for line, before in zip(lines, ["x", *lines], strict=False) if line or before)


def _table(networks: Iterable[PublicNetwork]) -> str:
    rows = [_row(network) for network in networks]
    if not rows:
        return ""
    # A column in which nothing stands says nothing.
    kept = [at for at in range(len(_HEADS)) if any(row[at] for row in rows)]
    cut = [[row[at] for at in kept] for row in [_HEADS, *rows]]
    return table(cut, right=[at for at, column in enumerate(kept) if column in _NUMBERS])


def _row(network: PublicNetwork) -> list[str]:
    return [
        network.name,
        str(network.size or ""),
        _millions(network),
        "" if network.top1 is None else share(network.top1),
        "" if network.top5 is None else share(network.top5),
        "" if network.learnt_from == _USUAL else network.learnt_from,
        network.licence,
        "here" if network.here else "",
    ]


def _millions(network: PublicNetwork) -> str:
    millions = network.parameters / 1e6
    return f"{millions:,.1f} M" if millions >= 9.95 else f"{millions:.2f} M"


def _how(result: PublicZoo, here: list[PublicNetwork]) -> Iterable[str]:
    """How they are used, those that are here and the others."""
    pictures = any(network.takes == "pictures" for network in result.networks)
    rated = any(network.top1 is not None for network in result.networks)
    said = ["Top-1 and top-5 are as published."] if rated else []
    said += [f"Learnt from {_USUAL} where nothing else is said."] if pictures else []
    yield paragraph(" ".join([*said, f"{result.note[0].upper()}{result.note[1:]}."]))
    absent = next((network for network in result.networks if not network.here), None)
    if here:
        yield f"one that is here:  {_use(here[0])}"
    if absent is not None:
        yield f"to get another:    {absent.get or _use(absent)}"


def _use(network: PublicNetwork) -> str:
    if network.takes == "texts":
        return f"regraft.open({network.source!r})"
    return f"regraft fit DATA --source '{network.source}'"
