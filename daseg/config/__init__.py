"""Configs: loading, overriding, checking before anything is run."""
