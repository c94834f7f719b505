"""Any folder of images beside a folder of labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.ops.colours import default_palette
from daseg.ops.labels import IGNORE
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError


@DATASETS.register_module()
class FolderDataset(SegDataset):
    """Your own data: a folder of images, a folder of labels of the same names, your own classes.

    Args:
        root: Folder that holds both.
        classes: Name of each train id; or, as a mapping in this order, of each name to the label
            id or ids that are the class in the files, which says both in one table.
        palette: RGB colour of each train id. None: colours are made up.
        id_map: Train id of each label id in the files. None: as ``classes`` says, or the files hold
            train ids.
        ignored_ids: Label ids that are legal but not learnt. Every other id is an error.
        image_dir: Folder of the images, below ``root``; folders inside it are part of the names.
        label_dir: Folder of the labels, below ``root``.
        image_suffix: End of the image files, or several.
        label_suffix: End of the label files: image ``<name><image_suffix>`` belongs to label
            ``<name><label_suffix>``.
        label_channel: For label files of several channels, the one that holds the ids (0 red).
        options: Those of `SegDataset`.

    Raises:
        ConfigError: The classes, colours and ids contradict each other.

    Example:
        >>> FolderDataset("floods", classes=["dry", "water"], id_map={0: 0, 255: 1}, ignored_ids=[])
        >>> FolderDataset("streets", classes=dict(road=[7, 8], sky=23), ignored_ids=[0, 255])
    """

    def __init__(
        self,
        root: str | Path,
        classes: Sequence[str] | Mapping[str, int | Sequence[int]],
        palette: Sequence[Sequence[int]] | None = None,
        *,
        id_map: Mapping[int, int] | None = None,
        ignored_ids: Sequence[int] = (IGNORE,),
        image_dir: str = "images",
        label_dir: str = "labels",
        image_suffix: str | Sequence[str] = (".png", ".jpg", ".jpeg"),
        label_suffix: str = ".png",
        label_channel: int | None = None,
        **options: Any,
    ) -> None:
        if isinstance(classes, Mapping):
            if id_map is not None:
                raise ConfigError("classes says the label ids of each class: leave out id_map")
            id_map = _train_ids(classes)
        names = classes if isinstance(classes, str) else list(classes)
        colours = default_palette(len(names)) if palette is None else palette
        train_ids = {i: i for i in range(len(names))} if id_map is None else dict(id_map)
        _check(names, colours, train_ids)
        super().__init__(
            root,
            layout=Layout(image_dir, label_dir, image_suffix, label_suffix),
            reader=LabelReader(train_ids, ignored_ids, label_channel),
            classes=names,
            palette=colours,
            **options,
        )


def _train_ids(classes: Mapping[str, int | Sequence[int]]) -> dict[int, int]:
    """The train id of each label id, from the ids of each class.

    Raises:
        ConfigError: What stands beside a class is no list of ids, or an id stands beside two.
    """
    found: dict[int, int] = {}
    names = list(classes)
    for train_id, (name, given) in enumerate(classes.items()):
        ids = [given] if isinstance(given, int) else given
        if not isinstance(ids, (list, tuple)) or not all(type(i) is int for i in ids):
            raise ConfigError(f"classes: {name!r} needs a list of label ids, not {given!r}")
        for label_id in ids:
            if label_id in found:
                other = names[found[label_id]]
                raise ConfigError(f"classes: label id {label_id} is both {other!r} and {name!r}")
            found[label_id] = train_id
    return found


def _check(
    classes: Sequence[str], palette: Sequence[Sequence[int]], train_ids: Mapping[int, int]
) -> None:
    if isinstance(classes, str):
        raise ConfigError(f"classes is a list of names, not the text {classes!r}")
    if len(palette) != len(classes):
        raise ConfigError(f"{len(classes)} classes, but {len(palette)} colours in the palette")
    twice = sorted({name for name in classes if list(classes).count(name) > 1})
    if twice:
        raise ConfigError(f"several classes have the name {', '.join(twice)}: give each its own")
    for name, colour in zip(classes, palette, strict=True):
        if len(colour) != 3 or not all(0 <= value <= 255 for value in colour):
            raise ConfigError(
                f"the palette's colour of {name!r} is {list(colour)}, not three numbers from 0 to "
                "255 (red, green, blue)"
            )
    beyond = {i: t for i, t in train_ids.items() if t != IGNORE and not 0 <= t < len(classes)}
    if beyond:
        raise ConfigError(f"id_map {beyond} points outside the {len(classes)} classes")
