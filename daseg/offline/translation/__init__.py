"""Translate whole data sets into the look of the target."""
