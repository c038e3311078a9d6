"""Records -> one self-contained HTML page, and the model card of a run folder."""

from regraft.report.card import card
from regraft.report.doubtful import pictured_ids as doubtful_ids
from regraft.report.history import history_csv
from regraft.report.page import page
from regraft.report.rate_page import rate_page
from regraft.report.thumbnail import thumbnail

__all__ = ["card", "doubtful_ids", "history_csv", "page", "rate_page", "thumbnail"]
