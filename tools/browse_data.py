"""The command ``daseg browse-data``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("browse-data")
