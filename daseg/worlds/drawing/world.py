"""Write the embedded world to disk, once, in the layouts of GTA5 and Cityscapes."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from daseg.utils.errors import ConfigError, DataError
from daseg.utils.json_files import read_json
from daseg.utils.progress import track
from daseg.utils.writable import check_folder
from daseg.worlds.drawing.files import Sample, write_bytes
from daseg.worlds.drawing.looks import GAMES, LIGHTS

VERSION = 1  # raise it when the pictures change, so that old worlds are not taken for new ones
MANIFEST = "demo_world.json"
STARTED = "demo_world.started.json"  # the settings of a world that is being drawn
FOLDERS = ("gta5", "cityscapes")
SETTINGS = dict[str, int | str | list[int]]
WORTH_WORKERS = 60  # for fewer pictures starting processes costs more than it saves


def make_world(
    root: Path | str,
    *,
    size: tuple[int, int] = (512, 256),
    num_source: int = 400,
    num_target: int = 300,
    num_val: int = 60,
    num_test: int = 60,
    seed: int = 0,
    light: str = "day",
    game: str = "plain",
    workers: int | None = None,
    progress: bool = True,
    force: bool = False,
) -> None:
    """Draw the two domains into ``root/gta5`` and ``root/cityscapes``.

    A complete world with the same settings is left as it is; an interrupted one is finished. The
    same settings give the same bytes, whatever the number of workers.

    Args:
        root: folder to write into; made where it does not exist.
        size: width and height of the pictures, pixels.
        num_source: labelled "game" pictures.
        num_target: "city" pictures of the split train (their labels are written too).
        num_val: "city" pictures of the split val, from cities of their own: to choose models by.
        num_test: "city" pictures of the split test, again from other cities: to report on.
        seed: seed of the whole world.
        light: "day" or "dusk", in which the city is photographed; the game is in daylight.
        game: "plain", or "varied": each picture with a light, materials and houses of its own, as a
            source for photographs.
        workers: processes that draw; None takes one a core.
        progress: show a line with the time left on stderr.
        force: replace a world with other settings.

    Raises:
        ConfigError: a setting is out of range.
        DataError: ``root`` holds a world with other settings, or data sets that are not ours.
    """
    root = check_folder(root, "--root")
    counts = {"source": num_source, "target": num_target, "val": num_val, "test": num_test}
    _check(size, counts, light, game, workers)
    settings = {"version": VERSION, "size": list(size), "seed": seed, "light": light, "game": game}
    settings |= counts
    if force:
        remove_world(root)
    _claim(root, settings)
    samples = [Sample("game", "train", index, game=game) for index in range(num_source)]
    for split, count in (("train", num_target), ("val", num_val), ("test", num_test)):
        samples += [Sample("city", split, index, light) for index in range(count)]
    missing = [sample for sample in samples if not sample.is_drawn(root)]
    if missing:
        _write_json(root / STARTED, settings)
        (root / MANIFEST).unlink(missing_ok=True)
        drawn = _draw(root, missing, seed, size, workers)
        for _ in track(drawn, len(missing), "drawing the demo world") if progress else drawn:
            pass
    if missing or not (root / MANIFEST).is_file():
        files = sum(len(sample.paths(root)) for sample in samples)
        _write_json(root / MANIFEST, {"settings": settings, "files": files})
        (root / STARTED).unlink(missing_ok=True)


def remove_world(root: Path) -> None:
    """Delete a world that `make_world` wrote; anything else in ``root`` is an error or stays."""
    if not root.is_dir() or not any((root / folder).exists() for folder in FOLDERS):
        return
    if _read_settings(root) is None:
        raise _foreign(root)
    for folder in FOLDERS:
        shutil.rmtree(root / folder, ignore_errors=True)
    for name in (MANIFEST, STARTED):
        (root / name).unlink(missing_ok=True)


def _check(
    size: tuple[int, int], counts: dict[str, int], light: str, game: str, workers: int | None
) -> None:
    if size[0] < 64 or size[1] < 32:
        raise ConfigError(f"size: {size[0]}x{size[1]} is too small, 64x32 is the least")
    for name, count in counts.items():
        least = 0 if name == "test" else 1
        if not least <= count <= 99999:
            raise ConfigError(f"num_{name}: {count} is not in {least}..99999")
    if light not in LIGHTS:
        raise ConfigError(f"light: {light!r} is not one of {', '.join(LIGHTS)}")
    if game not in GAMES:
        raise ConfigError(f"game: {game!r} is not one of {', '.join(GAMES)}")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers: {workers} is less than 1")


def _claim(root: Path, settings: dict[str, object]) -> None:
    """Raise unless ``root`` is empty of data sets or holds this very world, whole or begun."""
    found = _read_settings(root)
    if found is None:
        if any((root / folder).exists() for folder in FOLDERS):
            raise _foreign(root)
        return
    if found != settings:
        names = sorted({*found, *settings})
        differing = [name for name in names if found.get(name) != settings.get(name)]
        changes = ", ".join(f"{n} is {found.get(n)}, not {settings.get(n)}" for n in differing)
        raise DataError(
            f"{root} holds a demo world with other settings ({changes}): "
            "choose another root, or replace it with --force (force=True)"
        )


def _foreign(root: Path) -> DataError:
    return DataError(
        f"{root} holds gta5/ or cityscapes/ that the demo did not write (no {MANIFEST}): "
        "choose another root, or move them away"
    )


def _read_settings(root: Path) -> dict[str, object] | None:
    for name in (MANIFEST, STARTED):
        path = root / name
        if not os.path.lexists(path):
            continue
        shape = {"settings": SETTINGS} if name == MANIFEST else SETTINGS
        hint = f"delete {root} and draw anew"
        content = read_json(path, "the record of a demo world", shape, hint=hint)
        settings = content["settings"] if name == MANIFEST else content
        at_first = {"light": "day", "game": "plain"}  # when there was no other
        return {**at_first, **settings}
    return None


def _write_json(path: Path, content: object) -> None:
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def _draw(
    root: Path, samples: list[Sample], seed: int, size: tuple[int, int], workers: int | None
) -> Iterator[None]:
    """Draw the samples; yields once for each that is written."""
    few = len(samples) < WORTH_WORKERS
    count = workers or (1 if few else min(os.cpu_count() or 1, 8))
    if count > 1:
        from daseg.worlds.drawing.workers import draw_parallel

        yield from draw_parallel(root, samples, seed, size, count)
        return
    for sample in samples:
        sample.write(root, seed, size)
        yield
