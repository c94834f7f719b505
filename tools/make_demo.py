"""The command ``daseg make-demo``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("make-demo")
