"""Prepared data sets: what the fixed first steps of a pipeline give, written once."""
