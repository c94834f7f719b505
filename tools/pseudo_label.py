"""The command ``daseg pseudo-label``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("pseudo-label")
