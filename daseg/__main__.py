"""``python -m daseg``: the command ``daseg``."""

from daseg.cli import main

if __name__ == "__main__":
    main()
