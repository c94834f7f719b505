"""Data sets made by a network: translated images and pseudo-labels."""
