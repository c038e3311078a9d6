"""Plots of a catalogue: who was made of whom, and how near each model is to data."""

from regraft.report.plots.zoo.family import Family, families
from regraft.report.plots.zoo.family import draw as draw_family
from regraft.report.plots.zoo.kinship import draw as draw_kinship

__all__ = ["Family", "draw_family", "draw_kinship", "families"]
