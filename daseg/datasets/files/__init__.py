"""The files of a data set: finding, listing and reading them."""
