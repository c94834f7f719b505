"""Networks that turn an image into an image."""
