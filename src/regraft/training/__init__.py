"""Phases of training: the head, the loop above the cut, quick probes, and what proves that frozen variables stayed."""
