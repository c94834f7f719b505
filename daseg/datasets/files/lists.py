"""List files: the images of a data set that are used, one name per line."""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Sequence

from daseg.datasets.files.scan import ScanError, strip_suffix
from daseg.utils.errors import DataError
from daseg.utils.files import read_bytes, require_regular


def read_list(
    path: str | os.PathLike[str], suffixes: Sequence[str], known: Collection[str] = ()
) -> list[str]:
    r"""Read a list file of one name per line; empty lines and comments (``#``) are skipped.

    Names may lack their suffix. A name in quotation marks is a JSON string, for names that begin
    with ``#`` or contain a line break or other characters that a line would lose. ``./a.png`` is
    ``a.png``; ``street\a.png``, as Windows writes it, is ``street/a.png`` if that is known. The
    file is UTF-8, or UTF-16 with a byte order mark.

    Args:
        path: The file.
        suffixes: Ends of the image files.
        known: Names of the images that there are, without suffix.

    Returns:
        The names, without suffix.

    Raises:
        DataError: The file cannot be read, names nothing, or names something twice.
    """
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", _text(path))]
    names = [_name(line, suffixes, known) for line in lines if line and not line.startswith("#")]
    if not names:
        raise DataError(f"list file {path} names no image")
    unreadable = [name for name in names if re.search("[\udc80-\udcff]", name)]
    if any(name not in known for name in unreadable):
        raise DataError(f"list file {path} cannot be read: it is not UTF-8")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ScanError(f"list file {path} names {len(twice)} images more than once:", twice)
    return names


def _text(path: str | os.PathLike[str]) -> str:
    try:
        require_regular(path, "list file")
        data = read_bytes(path)
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = data.decode("utf-16")
        else:  # a name of a file may be no UTF-8: Python spells its bytes so
            text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"list file {path} cannot be read: {error}") from error
    if "\0" in text:
        raise DataError(f"list file {path} cannot be read: it holds zero bytes, as no text does")
    return text


def _name(line: str, suffixes: Sequence[str], known: Collection[str]) -> str:
    if line.startswith('"') and line.endswith('"') and line not in known:
        try:
            return strip_suffix(str(json.loads(line)), suffixes)
        except ValueError:
            pass  # a name that happens to begin and end so
    short = re.sub(r"^(\./+)+", "", line)
    for spelt in (line, short, re.sub(r"^(\./+)+", "", line.replace("\\", "/"))):
        for name in (strip_suffix(spelt, suffixes), spelt):
            if name in known:
                return name
    return strip_suffix(short, suffixes)


def list_line(name: str, suffix: str, suffixes: Sequence[str]) -> str:
    """The line for a name in a list file.

    Args:
        name: The image's name, without suffix.
        suffix: The end of its file.
        suffixes: All ends of image files: a name that seems to have one itself is written with its
            own behind it.
    """
    full = name + suffix if strip_suffix(name, suffixes) != name else name
    plain = full.isprintable() and full == full.strip() and "\\" not in full
    return full if plain and not full.startswith(("#", '"', "./")) else json.dumps(full)


def heading(text: str) -> str:
    """A line that `read_list` skips."""
    return "# " + (text if text.isprintable() else json.dumps(text)[1:-1])
