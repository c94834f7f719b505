"""The command ``daseg check-data``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("check-data")
