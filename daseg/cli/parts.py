"""List the parts that configs can name, also those of plugins.

    daseg parts
    daseg parts 'DeepLab*'
    daseg parts backbone                        # all parts of a kind
    daseg parts --import my_parts Focal         # with a module of yours

Shows each part's arguments with their defaults, and the first line of its docstring.
"""

import sys
from argparse import ArgumentParser, Namespace
from fnmatch import fnmatch


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("pattern", nargs="?", default="*", help="a part of a name, a wildcard, or a kind of part")
    add("--import", nargs="+", default=[], metavar="MODULE", help="import these modules first")


def run(args: Namespace) -> None:
    """Print the parts by kind."""
    from importlib import import_module

    from daseg.registry import KINDS, did_you_mean, list_parts
    from daseg.utils.errors import ConfigError
    from daseg.utils.reasons import call_of

    sys.path.insert(0, "")  # as for `python -m`: the module may lie in this folder
    for module in vars(args)["import"]:
        import_module(module)
    pattern = args.pattern.lower()
    found = {
        kind: [
            name
            for name in list_parts(kind)
            if kind == pattern or fnmatch(name.lower(), pattern) or pattern in name.lower()
        ]
        for kind in KINDS
    }
    if not any(found.values()):
        names = [name for kind in KINDS for name in list_parts(kind)]
        hint = did_you_mean(args.pattern, [*names, *KINDS])
        raise ConfigError(f"no part is called {args.pattern!r}{hint}")
    for kind, names in found.items():
        if names:
            print(f"\n{kind}")
        for name in names:
            part = KINDS[kind].get(name)
            lines = (part.__doc__ or "").strip().splitlines()
            print(f"  {name}{call_of(part).removeprefix(part.__name__)}")
            print(f"      {lines[0] if lines else '(no docstring)'}")
