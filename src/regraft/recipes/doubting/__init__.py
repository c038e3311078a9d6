"""What is doubtful about the examples of a run: leaks, contradictions, wrong labels, pictures unlike all others."""

from regraft.recipes.doubting.searching import Doubtful, doubt

__all__ = ["Doubtful", "doubt"]
