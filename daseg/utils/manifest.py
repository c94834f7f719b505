"""What a made data set was made of: written as it grows, read again to go on."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daseg.utils.errors import DataError
from daseg.utils.files import atomic_write_text, remove_leftovers

FORMAT = 1
FINAL, JOURNAL = "manifest.json", "manifest.jsonl"
Entry = dict[str, Any]
# Of each kind of made data set: what it is, and what was done to it.
WORDS = {
    "translation": ("a translation", "translated"),
    "pseudo-labels": ("pseudo-labels", "labelled"),
}


class Manifest:
    """The record of a translated data set, or of one of pseudo-labels.

    While it grows, each image is a line at the end of ``manifest.jsonl``: a run that is killed
    loses at most the last line, and with it one image's record. `finish` turns it into
    ``manifest.json``.

    Args:
        out: Folder of the data set.
        settings: What makes an image what it is, beside its source; as JSON holds it.
        overwrite: Remove what was made with other settings.
        kind: What it is: a key of `WORDS`.

    Raises:
        DataError: The folder holds something else, or images of other settings.

    Attributes:
        entries: What is known of each image, by its name: ``source`` and ``file`` (paths below
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
        self._journal: Any = None
        self._read(overwrite)

    def _read(self, overwrite: bool) -> None:
        found = read_manifest(self.out)
        noun, done = WORDS[self.kind]
        if found is None:
            remove_leftovers(self.out)  # of a run that was killed before it had begun
            if self.out.is_dir() and any(self.out.iterdir()):
                raise DataError(
                    f"{self.out} holds files, but no {FINAL} of {noun}: choose a folder "
                    "that is empty or not there yet"
                )
            return
        settings, entries = found
        changed = [k for k in {**self.settings, **settings} if self._differs(k, settings)]
        if changed and not overwrite:
            lines = [f"{k}: {settings.get(k)} there, {self.settings.get(k)} now" for k in changed]
            raise DataError(
                f"{self.out} was {done} with other settings; choose another folder, or have all "
                "of it made again with --overwrite:\n  " + "\n  ".join(lines)
            )
        if changed:
            self._remove(entries)
        else:
            self.entries = entries

    def _differs(self, key: str, settings: Mapping[str, Any]) -> bool:
        return settings.get(key) != self.settings.get(key)

    def _remove(self, entries: Mapping[str, Entry]) -> None:
        """Remove the images of other settings, so that none is left among the new ones."""
        for entry in entries.values():
            for key in ("file", "confidence"):
                if key in entry:
                    (self.out / entry[key]).unlink(missing_ok=True)

    def start(self, entries: Mapping[str, Entry]) -> None:
        """Begin to write, with what stays of the entries; tidy up after a run that was killed."""
        remove_leftovers(self.out, below=True)
        self.entries = dict(entries)
        path = self.out / JOURNAL
        head = json.dumps(dict(format=FORMAT, kind=self.kind, settings=self.settings))
        lines = [head, *(_line(name, entry) for name, entry in self.entries.items())]
        atomic_write_text(path, "\n".join(lines) + "\n")
        self._journal = path.open("a", encoding="utf-8")

    def add(self, name: str, entry: Entry) -> None:
        """Record an image whose file is on the disk."""
        self.entries[name] = entry
        self._journal.write(_line(name, entry) + "\n")
        self._journal.flush()

    def finish(self, about: Mapping[str, Any]) -> Path:
        """Write ``manifest.json``: what the run was, and all images; return its path."""
        self.close()
        content = dict(format=FORMAT, kind=self.kind, **about, settings=self.settings)
        content["images"] = dict(sorted(self.entries.items()))
        atomic_write_text(self.out / FINAL, json.dumps(content, indent=1) + "\n")
        (self.out / JOURNAL).unlink(missing_ok=True)
        return self.out / FINAL

    def close(self) -> None:
        """Stop writing, without an end: a later run goes on."""
        if self._journal is not None:
            self._journal.close()


def _line(name: str, entry: Entry) -> str:
    return json.dumps(dict(name=name, **entry))


def read_manifest(out: Path) -> tuple[dict[str, Any], dict[str, Entry]] | None:
    """The settings and the images of a made data set, finished or not; None without one.

    Raises:
        DataError: The manifest cannot be read.
    """
    journal, final = out / JOURNAL, out / FINAL
    try:
        if journal.is_file():  # the run after the one that wrote manifest.json did not end
            return _from_journal(journal.read_text(encoding="utf-8"))
        if final.is_file():
            content = json.loads(final.read_text(encoding="utf-8"))
            return content["settings"], content["images"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        path = journal if journal.is_file() else final
        raise DataError(f"{path} cannot be read as the manifest of a data set: {error}") from error
    return None


def _from_journal(text: str) -> tuple[dict[str, Any], dict[str, Entry]]:
    head, *lines = text.split("\n")
    entries = {}
    for line in lines[:-1]:  # behind the last newline is nothing, or a line that was cut off
        entry = json.loads(line)
        entries[entry.pop("name")] = entry
    return json.loads(head)["settings"], entries


def is_complete(entry: Entry, image: Path, source: Path) -> bool:
    """Whether an image is on the disk as it was written, of a source as it is now."""
    try:
        return _digest(image) == entry["sha256"] and _digest(source) == entry["source_sha256"]
    except (OSError, KeyError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
