"""The command ``daseg score``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("score")
