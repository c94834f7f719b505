"""The shards of a prepared data set: plain tar files, and what is known of each of their samples.

A sample is three members of one key, so that readers of webdataset's kind stream them, too:
``00000012.image.npy`` (or ``.image.png``) RGB, ``.label.png`` train ids where there is a label,
``.json`` what else the pipeline's first steps have given.
"""

import hashlib
import io
import json
import os
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from daseg.datasets.files.io import decode_rgb_png
from daseg.utils.errors import DataError
from daseg.utils.files import atomic_write, read_bytes
from daseg.utils.json_files import unreadable

if TYPE_CHECKING:
    from daseg.datasets.base import SegDataset

BLOCK = tarfile.BLOCKSIZE
# Of a sample: where its image begins in the shard, the bytes of its members, their checksum, and
# size and time of its image and label files when they were read.
RECORD = np.dtype(
    [("offset", "<u8"), ("sizes", "<u4", 3), ("crc", "<u4"), ("files", "<i8", (2, 2))]
)
MEMBERS = (("image.npy", "image.png"), ("label.png",), ("json",))
# Neighbouring ids are equal, not similar: unfiltered they take a fraction of the bytes, and of the
# time to decode. An older OpenCV filters all the same.
FOR_LABELS = [cv2.IMWRITE_PNG_COMPRESSION, 6]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):
    FOR_LABELS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
GIVEN = ("img", "gt_seg_map", "label_reader", "draw_class")  # kept apart, or the reader's own


def shard_path(folder: Path, number: int) -> Path:
    """The tar of a shard."""
    return folder / f"{number:06d}.tar"


def write_shard(
    dataset: "SegDataset", steps: int, rows: range, path: Path, *, compress: bool
) -> np.ndarray:
    """Run the first steps of a pipeline on some samples, and write what they give.

    Args:
        dataset: The data set.
        steps: Number of those steps.
        rows: Numbers of the samples.
        path: The tar; it is there whole or not at all.
        compress: Images as PNG; else as they are in memory.

    Returns:
        A `RECORD` for each.

    Raises:
        DataError: A file cannot be read.
        WriteError: The shard cannot be written.
    """
    records = np.zeros(len(rows), RECORD)
    with (
        atomic_write(path, root=path.parent) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for record, row in zip(records, rows, strict=True):
            members, record["files"] = _members(dataset, row, steps, compress)
            record["sizes"] = [len(data) for _, data in members]
            for place, (name, data) in enumerate(members):
                if place == 0:
                    record["offset"] = tar.offset + BLOCK
                record["crc"] = zlib.crc32(data, int(record["crc"]))
                if data:  # no label, no member
                    info = tarfile.TarInfo(f"{row:08d}.{name}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return records


def _members(
    dataset: "SegDataset", row: int, steps: int, compress: bool
) -> tuple[list[tuple[str, bytes]], list[tuple[int, int]]]:
    """Suffixes and contents of a sample's members, and what its files are."""
    sample = dataset.samples[row]
    described = dataset.describe(row)
    state = [file_state(file) for file in (sample.image, sample.label)]
    results, moved = dataset.pipeline.whole(dict(described), 0, steps)
    facts = {k: v for k, v in results.items() if k not in (*described, *GIVEN)}
    hashes = [None if f is None else _sha256(f) for f in (sample.image, sample.label)]
    about = dict(name=sample.name, facts=facts, moved=moved, sha256=hashes)
    image, label = results["img"], results.get("gt_seg_map")
    rgb = np.ascontiguousarray(image[..., ::-1])
    if compress and image.dtype == np.uint8:
        picture = ("image.png", cv2.imencode(".png", image)[1].tobytes())
    else:
        buffer = io.BytesIO()
        np.save(buffer, rgb, allow_pickle=False)
        picture = ("image.npy", buffer.getvalue())
    pixels = b"" if label is None else cv2.imencode(".png", label, FOR_LABELS)[1].tobytes()
    return [picture, ("label.png", pixels), ("json", json.dumps(about).encode())], state


def file_state(file: Path | None) -> tuple[int, int]:
    """Bytes of a file and the time it was written, in nanoseconds; twice -1 for none."""
    if file is None:
        return -1, -1
    try:
        found = os.stat(file)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(read_bytes(file)).hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error


def is_same_file(file: Path, sha256: str | None) -> bool:
    """Whether a file whose size or time has changed still holds what it held."""
    return _sha256(file) == sha256


def read_members(path: Path, record: np.ndarray) -> list[memoryview]:
    """The image, the label (empty without one) and the JSON of a sample.

    Raises:
        DataError: The shard is damaged, or cut off.
    """
    sizes = [int(size) for size in record["sizes"]]
    # A member that is there fills its last block, and one block more is the next one's header.
    places = [BLOCK + -(-size // BLOCK) * BLOCK if size else 0 for size in sizes]
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(int(record["offset"]))
            data = file.read(sum(places) - BLOCK)
    except OSError as error:
        raise unreadable(path, "a shard of a prepared data set", error) from error
    begins = [0, places[0], places[0] + places[1]]
    view = memoryview(data)
    members = [view[begin : begin + size] for begin, size in zip(begins, sizes, strict=True)]
    crc = 0
    for member in members:
        crc = zlib.crc32(member, crc)
    if crc != int(record["crc"]):
        raise DataError(
            f"{path} is damaged: what it holds at byte {int(record['offset'])} is not what was "
            "written. Delete it, and run daseg prepare again"
        )
    return members


def image_of(data: memoryview, path: Path) -> np.ndarray:
    """The image (H, W, 3) in BGR of a member."""
    if bytes(data[:4]) == b"\x89PNG":
        return decode_rgb_png(bytes(data), path)
    head = io.BytesIO(data[:BLOCK])
    np.lib.format.read_magic(head)
    shape, _, kind = np.lib.format.read_array_header_1_0(head)
    rgb = np.frombuffer(data, kind, offset=head.tell()).reshape(shape)
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)


def label_of(data: memoryview) -> np.ndarray:
    """The label (H, W) of a member."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
