"""The command ``daseg class-weights``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("class-weights")
