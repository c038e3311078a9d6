"""Measurements: each compares ways of doing one job, side by side in one run. Not part of the package."""
