"""Check what a pipeline does to images and labels, on synthetic pictures, before it is used."""
