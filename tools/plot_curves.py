"""The command ``daseg plot-curves``, from a checkout."""

from daseg.cli import main

if __name__ == "__main__":
    main("plot-curves")
