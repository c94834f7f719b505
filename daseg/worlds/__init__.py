"""Small worlds, in which any config can be tried: drawn street scenes, photographs, your own."""
