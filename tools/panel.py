"""The command ``daseg panel``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("panel")
