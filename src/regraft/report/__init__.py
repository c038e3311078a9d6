"""Records -> one self-contained HTML page, and the model card of a run folder."""

from regraft.report.card import card
from regraft.report.comparison_page import comparison_page
from regraft.report.history import history_csv
from regraft.report.page import page
from regraft.report.rate_page import rate_page
from regraft.report.sprite import COLUMNS as SPRITE_COLUMNS
from regraft.report.sprite import SIDE as SPRITE_SIDE
from regraft.report.sprite import sprite
from regraft.report.thumbnail import thumbnail

__all__ = [
    "SPRITE_COLUMNS",
    "SPRITE_SIDE",
    "card",
    "comparison_page",
    "history_csv",
    "page",
    "rate_page",
    "sprite",
    "thumbnail",
]
