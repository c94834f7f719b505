"""Values that are given on the command line as ``KEY=VALUE``."""

import ast
import re
from typing import Any

from daseg.utils.errors import ConfigError


def parse_cfg_options(pairs: list[str], flag: str = "--cfg-options") -> dict[str, Any]:
    """Turn ``["a.b=1", "c=[1,2]", "d=text"]`` into a dict; a value is a Python literal or text.

    Args:
        pairs: What stands behind the flag.
        flag: Its name, for messages.

    Raises:
        ConfigError: An item is not ``KEY=VALUE``, or its value is a broken list or dict.
    """
    return {
        key: _literal(value, f"{flag} {key}={value}")
        for key, value in parse_pairs(pairs, flag).items()
    }


def parse_pairs(pairs: list[str], flag: str) -> dict[str, str]:
    """Turn ``["a=x", "b=y"]`` into a dict of texts.

    Raises:
        ConfigError: An item is not ``KEY=VALUE``.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"{flag} {pair}: expected KEY=VALUE")
        found[key] = value
    return found


def parse_size(text: str, name: str) -> tuple[int, int]:
    """Turn "1024x512" into (width, height).

    Args:
        text: What was given.
        name: The option that it was given for, for messages.

    Raises:
        ConfigError: It is not of two whole numbers above 0.
    """
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise ConfigError(f"{name} {text}: expected WIDTHxHEIGHT, as 1024x512")
    return int(match[1]), int(match[2])


def _literal(text: str, given: str) -> Any:
    aliases = {"true": True, "false": False, "none": None}
    if text.lower() in aliases:
        return aliases[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if text.startswith(("[", "(", "{", "dict(")):  # as text it would surprise much later
            raise ConfigError(
                f"{given}: not a Python literal; quote texts inside it and the whole "
                "for the shell: \"lr_mult={'head': 10}\" \"names=['a', 'b']\""
            ) from None
        return text
