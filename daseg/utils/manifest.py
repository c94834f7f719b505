"""The manifest of a data set that a network makes: written step by step, read to resume."""

import hashlib
import json
import os
from collections.abc import Mapping
from io import FileIO
from pathlib import Path, PureWindowsPath
from typing import Any

from daseg.utils.errors import DataError
from daseg.utils.files import atomic_write_text, read_bytes, remove_leftovers
from daseg.utils.json_files import check_shape, parse_json, unreadable
from daseg.utils.lock import LOCK
from daseg.utils.writable import refuse_links, writing

FORMAT = 1
FINAL, JOURNAL = "manifest.json", "manifest.jsonl"
OTHERS = "manifest.[0-9]*.jsonl"  # journals of processes beside the first
FILES = ("file", "confidence")  # the keys of an entry that name files
Entry = dict[str, Any]
# For each kind of data set: what it is, and what was done to make it.
WORDS = {
    "translation": ("a translation", "translated"),
    "pseudo-labels": ("pseudo-labels", "labelled"),
}
ENTRY: dict[str, Any] = {
    "file": str,
    "sha256?": str,
    "source?": str,
    "source_sha256?": str,
    "size?": tuple[int, int],
    "target?": str,
    "confidence?": str,
    "confidence_sha256?": str,
    "predicted?": list[int],
    "kept?": list[int],
}


class Manifest:
    """The manifest of a translated data set, or of pseudo-labels.

    While the data set is made, each image appends a line to ``manifest.jsonl``: a run that is
    killed loses at most the last line, that is one image's record. `finish` writes
    ``manifest.json``.

    Args:
        out: Folder of the data set.
        settings: What an image depends on besides its source, as plain JSON values.
        overwrite: Remove images that were made with other settings.
        kind: What it is: a key of `WORDS`.

    Raises:
        DataError: The folder has other content, or images of other settings.

    Attributes:
        entries: The record of each image, by name: ``source`` and ``file`` (paths below
            the roots), ``source_sha256``, ``sha256``, ``size`` [width, height] and ``target``.
    """

    def __init__(
        self,
        out: Path,
        settings: Mapping[str, Any],
        *,
        overwrite: bool = False,
        kind: str = "translation",
    ) -> None:
        self.out, self.kind = out, kind
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        self.entries: dict[str, Entry] = {}
        self._journal: Journal | None = None
        for name in (FINAL, JOURNAL):
            if (out / name).is_symlink():
                raise DataError(
                    f"{out / name} is a link, so that it may belong to another folder: remove it, "
                    "or choose another folder"
                )
        found = read_manifest(out, kind)
        if found is None:
            self._require_empty()
        else:
            self._take_over(*found, overwrite)

    def _require_empty(self) -> None:
        remove_leftovers(self.out)  # of a run that was killed before it had begun
        if self.out.is_dir() and any(path.name != LOCK for path in self.out.iterdir()):
            raise DataError(
                f"{self.out} holds files, but no {FINAL} of {WORDS[self.kind][0]}: choose a folder "
                "that is empty or not there yet"
            )

    def _take_over(
        self, settings: dict[str, Any], entries: dict[str, Entry], overwrite: bool
    ) -> None:
        """Keep entries of the same settings; remove files of other settings if asked to."""
        now = self.settings
        changed = [key for key in {**now, **settings} if now.get(key) != settings.get(key)]
        if not changed:
            self.entries = entries
        elif overwrite:
            self._remove(entries)
        else:
            lines = [f"{key}: {settings.get(key)} there, {now.get(key)} now" for key in changed]
            raise DataError(
                f"{self.out} was {WORDS[self.kind][1]} with other settings; choose another folder, "
                "or have all of it made again with --overwrite:\n  " + "\n  ".join(lines)
            )

    def _remove(self, entries: Mapping[str, Entry]) -> None:
        files = [self.out / e[key] for e in entries.values() for key in FILES if key in e]
        for path in files:  # all of them before the first is removed
            refuse_links(path.parent, self.out)
        for path in files:
            with writing(path):
                path.unlink(missing_ok=True)

    def start(self, entries: Mapping[str, Entry]) -> None:
        """Begin to write with the entries that are kept; clean up after a run that was killed."""
        remove_leftovers(self.out, below=True)
        self.entries = dict(entries)
        head = json.dumps(dict(format=FORMAT, kind=self.kind, settings=self.settings))
        lines = [head, *(_line(name, entry) for name, entry in self.entries.items())]
        atomic_write_text(self.out / JOURNAL, "\n".join(lines) + "\n")
        self._remove_others()  # what they say is in this one now
        self._journal = Journal(self.out / JOURNAL)

    def _remove_others(self) -> None:
        for other in self.out.glob(OTHERS):
            other.unlink()

    def add(self, name: str, entry: Entry) -> None:
        """Record an image whose file is on the disk."""
        assert self._journal is not None
        self._journal.add(name, entry)
        self.entries[name] = entry

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write ``manifest.json``: a description of the run, and all images."""
        self.close()
        content = dict(format=FORMAT, kind=self.kind, **about, settings=self.settings)
        content["images"] = dict(sorted(self.entries.items()))
        atomic_write_text(self.out / FINAL, json.dumps(content, indent=1) + "\n")
        self._remove_others()
        (self.out / JOURNAL).unlink(missing_ok=True)

    def close(self) -> None:
        """Stop writing without finishing: a later run resumes."""
        if self._journal is not None:
            self._journal.close()


class Journal:
    """Appends lines to a file, each completely or not at all.

    Args:
        path: The file; created if missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing(path):
            self._file = FileIO(path, "a")  # no buffer, which would write later

    def add(self, name: str, entry: Entry) -> None:
        """Write the line of an image.

        Raises:
            WriteError: The file cannot be written.
        """
        line = (_line(name, entry) + "\n").encode()
        with writing(self.path):
            begin = self._file.seek(0, os.SEEK_END)
            try:
                while line:
                    line = line[self._file.write(line) :]
            except OSError:
                self._file.truncate(begin)  # half a line would stand before the next one
                raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(name: str, entry: Entry) -> str:
    return json.dumps(dict(name=name, **entry))


def read_manifest(
    out: Path, kind: str | None = None
) -> tuple[dict[str, Any], dict[str, Entry]] | None:
    """The settings and the images of a data set, finished or not; None without a manifest.

    Args:
        out: Its folder.
        kind: The expected kind, a key of `WORDS`; None: any.

    Raises:
        DataError: The manifest cannot be read, is of another kind, or names a file outside ``out``.
    """
    # Where there is a journal the run after the one that wrote manifest.json did not end.
    path = next((p for p in (out / JOURNAL, out / FINAL) if os.path.lexists(p)), None)
    if path is None:
        return None
    try:
        content = _read_journals(out) if path.name == JOURNAL else parse_json(read_bytes(path))
        images = dict[str, dict[str, Any]]
        check_shape(content, {"settings": dict[str, Any], "images": images, "kind?": str})
        found, version = content.get("kind", "translation"), content.get("format", FORMAT)
        if version != FORMAT:
            raise ValueError(f"its format {version!r} is not {FORMAT}, which is read here")
        check_entries(content["images"])
    except (OSError, ValueError) as error:
        hint = f"to have all of it made again, delete {out}"
        raise unreadable(path, "the manifest of a data set", error, hint) from error
    if kind is not None and found != kind:
        raise DataError(
            f"{out} holds {WORDS[found][0] if found in WORDS else repr(found)}, "
            f"not {WORDS[kind][0]}: choose another folder"
        )
    return content["settings"], content["images"]


def _read_journals(out: Path) -> dict[str, Any]:
    head, *lines = read_bytes(out / JOURNAL).split(b"\n")
    content = check_shape(parse_json(head), dict[str, Any])
    for more in [lines, *(read_bytes(p).split(b"\n") for p in sorted(out.glob(OTHERS)))]:
        entries: dict[str, Entry] = content.setdefault("images", {})
        for number, line in enumerate(more[:-1], 2):  # behind the last newline is nothing, or a
            entry = parse_json(line)  # line that was cut off
            entries[check_shape(entry, {"name": str}, f"line {number}").pop("name")] = entry
    return content


def check_entries(entries: Mapping[str, Entry], shape: Mapping[str, Any] | None = None) -> None:
    """Check the entries of a manifest; all files have to lie in its folder.

    Args:
        entries: By name of the image.
        shape: The shape of an entry in addition to `ENTRY`.

    Raises:
        ValueError: An entry is wrong; the message names the image.
    """
    for name, entry in entries.items():
        check_shape(entry, {**ENTRY, **(shape or {})}, f"image {name!r}")
        for key in FILES:
            if key in entry and not lies_below(entry[key]):
                raise ValueError(
                    f"image {name!r}: its {key} {entry[key]!r} does not lie in the folder, and "
                    "files elsewhere are neither read nor removed"
                )


def lies_below(text: str) -> bool:
    """Whether the text of a relative path stays below the folder that it is relative to."""
    try:
        os.fsencode(text)
    except ValueError:  # no file has such a name
        return False
    windows, path = PureWindowsPath(text), Path(text)
    outside = path.is_absolute() or windows.is_absolute() or text.startswith(("\\", "/"))
    return bool(path.parts) and "\0" not in text and not outside and ".." not in windows.parts


def is_complete(entry: Entry, image: Path, source: Path, out: Path) -> bool:
    """Whether neither an image nor its source has changed since the image was written.

    Args:
        entry: Its entry in the manifest of the folder ``out``.
        image: Its path in ``out``, without links.
        source: The file that it was made from.
        out: The folder.
    """
    try:
        refuse_links(image, out)
        if Path(entry["file"]) != image.relative_to(out):
            return False
        digests = [hashlib.sha256(read_bytes(path)).hexdigest() for path in (image, source)]
        return digests == [entry["sha256"], entry["source_sha256"]]
    except (OSError, KeyError):
        return False
