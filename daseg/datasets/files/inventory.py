"""The images and labels of a data set on disk, and what is wrong with them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from daseg.datasets.files.lists import read_list
from daseg.datasets.files.scan import Found, Layout, Sample, alike, find_files, not_found
from daseg.utils.errors import DataError


@dataclass
class Place:
    """Where a data set keeps its files.

    Attributes:
        who: The data set's name in messages.
        root: Its folder.
        label_root: That of its labels.
        layout: Where the files lie below them.
    """

    who: str
    root: Path
    label_root: Path
    layout: Layout

    @property
    def images(self) -> Path:
        """The folder of the images."""
        return self.root / self.layout.image_dir

    @property
    def labels(self) -> Path:
        """The folder of the labels."""
        return self.label_root / self.layout.label_dir


@dataclass
class Inventory:
    """What was found.

    Attributes:
        names: Number of images, listed ones where there is a list.
        example: The name of one image.
        samples: The samples that have all their files.
        problems: What is wrong, by name, for each of the others.
        notes: Messages about files that are reached twice, of which one is left out.
        hidden: Files and folders that are left out since their names begin with a dot.
        label_folders: Folders of labels among the images, where no labels are looked for.
        without_image: Labels without an image.
    """

    names: int
    example: str
    samples: list[Sample] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    label_folders: list[str] = field(default_factory=list)
    without_image: list[Path] = field(default_factory=list)


def take_stock(place: Place, *, labels: bool, list_file: Path | None) -> Inventory:
    """Find the images of a data set, those of a list where there is one, and their labels.

    Raises:
        DataError: A folder or the list cannot be read, or holds nothing.
    """
    images = _find_images(place)
    found_labels = None
    if labels:
        other = {os.path.realpath(place.images)} - {os.path.realpath(place.labels)}
        who = f"{place.who}'s labels"
        found_labels = find_files(
            place.labels,
            [place.layout.label_suffix],
            who,
            leave_out=other,
            folders=place.layout.folders,
        )
        named = found_labels.paths.items()
        found_labels.paths = {place.layout.image_name(name): path for name, path in named}
    found = dict[str, Path | None](images.paths) | dict.fromkeys(images.unusable)
    if list_file is not None:
        known = images.paths.keys() | images.aliases.keys()
        names = read_list(list_file, place.layout.image_suffixes, known)
        found = {name: _listed(name, place, images) for name in names}
    stock = Inventory(len(found), next(iter(images.paths), ""))
    stock.notes, stock.hidden = images.notes, images.hidden
    stock.label_folders = [] if labels else images.left_out
    stock.problems = dict(_problems(found, place, images, found_labels))
    stock.samples = [
        Sample(image, found_labels.paths[name] if found_labels else None, name)
        for name, image in found.items()
        if image is not None and name not in stock.problems
    ]
    if found_labels is not None:
        has_image = images.paths.keys() | images.aliases.keys() | images.unusable.keys()
        alone = found_labels.paths.keys() - has_image
        stock.without_image = [found_labels.paths[name] for name in sorted(alone)]
    return stock


def _find_images(place: Place) -> Found:
    """The images, without files that lie in the folder of the labels or end as labels do."""
    here, layout = os.path.realpath(place.images), place.layout
    labels = {os.path.realpath(r / layout.label_dir) for r in (place.root, place.label_root)}
    return find_files(
        place.images,
        layout.image_suffixes,
        place.who,
        once=True,
        leave_out=labels - {here},
        not_ending=layout.label_suffix if here in labels else None,
        folders=layout.folders,
    )


def _listed(name: str, place: Place, images: Found) -> Path | None:
    """The image of a listed name, which may be a link to an image of another name."""
    if name in images.paths or name in images.unusable:
        return images.paths.get(name)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    for suffix in place.layout.image_suffixes:
        path = place.images / (name + suffix)
        if path.is_file() and os.path.realpath(path) in images.real:
            return path
    return None


def _problems(
    found: dict[str, Path | None], place: Place, images: Found, labels: Found | None
) -> Iterator[tuple[str, str]]:
    """The problem of each sample that lacks its image or its label, by name.

    Labels that the search did not reach, such as behind a second link to a folder, are added.
    """
    layout, seen = place.layout, dict[str, str]()
    for name, image in found.items():
        if image is None and name in images.unusable:
            yield name, f"image {images.unusable[name]}"
        elif image is None:
            hint = not_found(name, images, layout)
            yield name, f"listed, but no such image: {place.images / name}{hint}"
        elif (images.aliases or name not in images.paths) and (
            other := seen.setdefault(os.path.realpath(image), name)
        ) != name:
            yield name, f"listed twice: {image} is a link to the image {other}"
        elif labels is not None and name not in labels.paths:
            label = place.labels / layout.label_file(name)
            if name in labels.unusable:
                yield name, f"label {labels.unusable[name]}"
            elif label.is_file():
                labels.paths[name] = label
            else:
                yield name, f"image without label: {image}{alike(name, labels)}"


def find_list(list_file: str | Path, place: Place) -> Path:
    """A list file, looked for in the root of the data set, then in the working directory.

    Raises:
        DataError: The file is in neither folder.
    """
    places = (place.root / list_file, Path(list_file))
    for path in places:
        if path.exists() and not path.is_dir():  # a pipe is there; reading refuses it by name
            return path
    tried = " nor ".join(dict.fromkeys(map(str, places)))
    raise DataError(f"{place.who}: there is no list file {tried}")
