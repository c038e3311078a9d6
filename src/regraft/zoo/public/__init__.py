"""What is known of networks that others have published, as facts that are shipped: nothing here asks the internet."""

from collections.abc import Mapping
from types import ModuleType

from regraft.core.errors import RequestError, nearest
from regraft.core.public import PublicNetwork, PublicZoo
from regraft.zoo.public import keras_applications, keras_hub, timm

# Each has NAME, TITLE, NOTE, `networks()` and `folder()`, where its downloads are.
ZOOS: Mapping[str, ModuleType] = {zoo.NAME: zoo for zoo in (keras_applications, keras_hub, timm)}


def public(
    zoo: str,
    text: str = "",
    *,
    licence: str | None = None,
    most_parameters: int | None = None,
    least_accuracy: float | None = None,
) -> PublicZoo:
    """A zoo with what is known of each of its networks, and whether that is on this machine.

    Args:
        zoo: a key of `ZOOS`.
        text: words that are all to be in a network's name, family, licence or what it learnt from; any case.
        licence: only what may be used under it; any case.
        most_parameters: at most so many.
        least_accuracy: at least so much on ImageNet, a part of one; what publishes no accuracy is left out.

    Raises:
        RequestError: there is no such zoo.

    >>> [network.source for network in public("keras", "xception").networks]
    ['keras:Xception']
    """
    if zoo not in ZOOS:
        raise RequestError(f"expected the zoo {' or '.join(ZOOS)}, found '{zoo}'{nearest(zoo, ZOOS)}")
    module = ZOOS[zoo]
    words = text.lower().split()
    found = tuple(
        network
        for network in module.networks()
        if all(word in _said(network) for word in words)
        and (licence is None or network.licence.lower() == licence.lower())
        and (most_parameters is None or network.parameters <= most_parameters)
        and (least_accuracy is None or (network.top1 or 0.0) >= least_accuracy)
    )
    return PublicZoo(zoo, module.TITLE, module.NOTE, str(module.folder()), found)


def _said(network: PublicNetwork) -> str:
    return f"{network.name} {network.family} {network.takes} {network.licence} {network.learnt_from}".lower()


__all__ = ["ZOOS", "public"]
