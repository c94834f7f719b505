"""Published weights of other systems."""
