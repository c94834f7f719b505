"""Whole data sets translated into the look of the target."""
