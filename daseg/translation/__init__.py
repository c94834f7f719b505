"""From the look of the source to that of the target."""
