"""Pseudo-labels of target images, written for a training, or anew while it runs."""
