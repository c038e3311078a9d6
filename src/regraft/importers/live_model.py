"""A `keras.Model` that is already here."""

from typing import cast

import keras

from regraft.core.errors import SourceError
from regraft.importers.pretrained import Opened, Request, all_loaded


def handles(request: Request) -> bool:
    """Whether the source is a model."""
    return isinstance(request.source, keras.Model)


def load(request: Request) -> Opened:
    """Take the model as it is; it is not copied and not changed.

    Raises:
        SourceError: it was never built, so that it has no weights yet.
    """
    model = cast(keras.Model, request.source)
    if not model.built:
        raise SourceError(
            f"expected a built model, found '{model.name}' without weights; call it once, or give it an Input"
        )
    return Opened(model, all_loaded(model))
