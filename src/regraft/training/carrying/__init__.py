"""What becomes of an optimizer's state where a phase begins: kept, reset, translated, or measured anew."""

from regraft.training.carrying.policies import plan

__all__ = ["plan"]
