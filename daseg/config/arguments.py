"""Which arguments a part takes, and which it must be given, read from its constructors."""

import ast
import inspect
import re
import textwrap
from functools import cache
from typing import Any, NamedTuple

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
SUPER = re.compile(r"super\(.*\)\.__init__")


class Arguments(NamedTuple):
    """The keyword arguments of a class or function.

    Attributes:
        legal: Names of those that it takes; None where it takes any.
        required: Names of those without a default.
    """

    legal: frozenset[str] | None
    required: frozenset[str]


class _BaseCall(NamedTuple):
    """The arguments that a constructor passes to its base, besides its own ``**kwargs``."""

    positional: int = 0
    keywords: frozenset[str] = frozenset()


def accepted_arguments(part: Any) -> frozenset[str] | None:
    """Names of the keyword arguments that a class or function takes; None where it takes any."""
    return arguments_of(part).legal


@cache
def arguments_of(part: Any) -> Arguments:
    """The keyword arguments of a class or function.

    ``**kwargs`` of a constructor are assumed to go to the constructor of the next base class.
    Arguments that it passes there itself are not arguments of the part. What the base requires is
    required where the code shows that nothing else is added to ``**kwargs``.
    """
    legal: set[str] = set()
    required: set[str] = set()
    call: _BaseCall | None = _BaseCall()
    for constructor in constructors(part):
        parameters = parameters_of(constructor)
        places = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        given = {*places[: call.positional], *call.keywords} if call else set()
        new = [p for p in parameters if p.name not in legal | given and p.kind in NAMED]
        if call is not None:
            required |= {p.name for p in new if p.default is p.empty}
        legal |= {p.name for p in new}
        options = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
        if not options:
            return Arguments(frozenset(legal), frozenset(required))
        call = call and _base_call(constructor, options[0])
    return Arguments(None, frozenset(required))


def constructors(part: Any) -> list[Any]:
    if not inspect.isclass(part):
        return [part]
    return [vars(base)["__init__"] for base in part.__mro__[:-1] if "__init__" in vars(base)]


def parameters_of(constructor: Any) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(constructor).parameters.values() if p.name != "self"]


def _base_call(constructor: Any, options: str) -> _BaseCall | None:
    """The call of the base's constructor; None where it cannot be read or ``options`` change."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
    except (OSError, TypeError, SyntaxError):
        return None
    nodes = list(ast.walk(tree))
    calls = [n for n in nodes if isinstance(n, ast.Call) and SUPER.fullmatch(ast.unparse(n.func))]
    uses = [n for n in nodes if isinstance(n, ast.Name) and n.id == options]
    if len(calls) != 1:
        return None
    (call,) = calls
    if uses != [keyword.value for keyword in call.keywords if keyword.arg is None]:
        return None
    starred = [i for i, value in enumerate(call.args) if isinstance(value, ast.Starred)]
    names = frozenset(keyword.arg for keyword in call.keywords if keyword.arg is not None)
    return _BaseCall(min([*starred, len(call.args)]), names)
