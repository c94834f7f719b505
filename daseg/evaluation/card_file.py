"""Reading and checking the file of a protocol card."""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

from daseg.evaluation.protocol import NAME, ProtocolCard
from daseg.utils.json_files import read_json, unreadable
from daseg.utils.pseudo_labels import FACTS


def load_card(path: str | Path) -> ProtocolCard:
    """Read a ``protocol_card.json``, or the one in a folder.

    Raises:
        DataError: The file is missing or not a protocol card.
    """
    path = Path(path)
    path = path / f"{NAME}.json" if path.is_dir() else path
    hint = "make it again, with daseg test"
    content = read_json(path, "a protocol card", _shape(), hint=hint)
    for name in ("input_sizes", "label_sizes"):  # JSON has no tuples
        content[name] = [tuple(size) for size in content.get(name, ())]
    try:
        return ProtocolCard(**content)
    except TypeError as error:  # a key that a card has not
        raise unreadable(path, "a protocol card", error, hint) from error


def _shape() -> dict[str, Any]:
    types = get_type_hints(ProtocolCard)
    has_default = {
        each.name
        for each in fields(ProtocolCard)
        if each.default is not MISSING or each.default_factory is not MISSING
    }
    shape = {f"{name}?" if name in has_default else name: kind for name, kind in types.items()}
    shape["pseudo_labels?"] = [FACTS]
    shape["averaged_with?"] = list[tuple[str, str]]
    return shape
