"""A network that others have published: what is known of it before it is downloaded."""

from dataclasses import dataclass
from typing import Literal

Takes = Literal["pictures", "texts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicNetwork:
    """What is known of a published network.

    Attributes:
        zoo: where it is published: a key of `zoo.public.ZOOS`.
        name: what it is called there.
        source: what `--source` takes for it; where that is a file that is not here yet, what it will be.
        family: what it is a member of.
        takes: what it is for.
        size: height and width in pixels of the pictures that it learnt from; None where that is not said.
        parameters: elements of its variables as Regraft opens it; to two decimals of a million where `rounded`.
        rounded: whether no more is published of that.
        learnt_from: what it was trained on.
        top1: share of right answers on ImageNet's validation examples, as published; None where nothing is.
        top5: likewise, of answers that are among the first five.
        licence: of the weights, SPDX where there is such a name; empty where the place of download has to be asked.
        get: what downloads it, as a line for a shell; empty where opening it does.
        needs: what has to be installed besides; empty where nothing has.
        here: file or folder of its weights on this machine; empty where it is not here.
    """

    zoo: str
    name: str
    source: str
    family: str
    takes: Takes = "pictures"
    size: int | None = None
    parameters: int
    rounded: bool = False
    learnt_from: str = "ImageNet-1k"
    top1: float | None = None
    top5: float | None = None
    licence: str = ""
    get: str = ""
    needs: str = ""
    here: str = ""


@dataclass(frozen=True, slots=True)
class PublicZoo:
    """The networks of a place where networks are published.

    Attributes:
        zoo: its name, a key of `zoo.public.ZOOS`.
        title: what it is.
        note: what one should know to use them.
        folder: where those that were downloaded are looked for.
        networks: what is known of each, with whether it is here.
        unfit: where no network is like what was asked for, though some are called so, why not.
    """

    zoo: str
    title: str
    note: str
    folder: str
    networks: tuple[PublicNetwork, ...]
    unfit: str = ""
