"""The command ``daseg prepare``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("prepare")
