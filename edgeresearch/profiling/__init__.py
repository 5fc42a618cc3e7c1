"""Measuring trainings under CPU limits."""
