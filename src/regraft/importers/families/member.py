"""Which network of a family a state dict is, and what was said about it beside the tensors."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hints:
    """What is said of a state dict beside its tensors.

    Attributes:
        texts: names of architectures: in the file, in a `config.json` beside it, in the file's own name.
        input_size: height and width in pixels that were asked for.
    """

    texts: tuple[str, ...] = ()
    input_size: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A network of a family.

    Attributes:
        family: the name of the family's file.
        name: of the network, such as `resnet50`; the family's own where its sizes have no name.
        naming: whose names the tensors have: `torchvision`, `timm`, or both.
        output: the value that it answers.
        size: height and width in pixels that it was published for.
        notes: what had to be assumed.
    """

    family: str
    name: str
    naming: str
    output: str
    size: int = 224
    notes: tuple[str, ...] = ()
