"""Whole journeys, each a function that reads as its recipe."""
