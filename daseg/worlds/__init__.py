"""Small worlds in which any config can be tried: the embedded, drawn one and photographs."""
