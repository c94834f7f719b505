"""The archive that ``torch.save`` writes: whether all of it is as it was written.

It is a zip file of uncompressed records, each with a CRC-32 of its bytes, which ``torch.load`` does
not look at: a bit that has flipped on a disk loads as another weight.
"""

import os
import time
import zipfile
from pathlib import Path
from typing import BinaryIO

from daseg.utils.errors import CheckpointError

MAGIC = b"PK\x03\x04"
BLOCK = 1 << 20
FOLDER = 0x10  # the bit of a record's attributes
# Files that this process has found whole: device, inode, size, times of the last changes. A file
# that has just been written is not remembered: another of the same second may get its place.
_whole: set[tuple[int, ...]] = set()
SETTLED = 2.0  # seconds, above the precision of any file system's times


def is_archive(file: BinaryIO) -> bool:
    """Whether an open file begins as a zip file does; it is left at its beginning.

    PyTorch before 1.6, and ``_use_new_zipfile_serialization=False``, write no zip file but pickles
    one after the other, which have no CRC: there nothing tells a flipped bit from a weight.
    """
    file.seek(0)
    start = file.read(len(MAGIC))
    file.seek(0)
    return start == MAGIC


def check_archive(file: BinaryIO, path: str | Path) -> None:
    """Compare every record of an open archive with its CRC, once for a file in a process.

    It reads the file once, a megabyte at a time. The directory at the end is checked against the
    head of every record.

    Raises:
        CheckpointError: It is damaged; or a record is compressed, which ``torch.save`` never does
            and which would let a small file fill the memory.
    """
    seen = os.fstat(file.fileno())
    key = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    if key in _whole:
        return
    settled = time.time() - max(seen.st_mtime, seen.st_ctime) > SETTLED
    try:
        _read_all(file, seen.st_size)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from error
    except Exception as error:  # zipfile lets anything through that a damaged field leads to
        raise CheckpointError(
            f"{path} cannot be read as PyTorch weights ({seen.st_size} bytes): it is damaged or "
            f"cut off ({str(error) or type(error).__name__}). Take another copy of the file"
        ) from error
    finally:
        file.seek(0)
    if settled:
        _whole.add(key)


def _read_all(file: BinaryIO, size: int) -> None:
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
        packed = [r.filename for r in records if r.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise CheckpointError(f"is not a file of torch.save: record {packed[0]} is compressed")
        folders = [r.filename for r in records if r.is_dir() or r.external_attr & FOLDER]
        if folders:  # torch would give a record of this mark without reading it
            raise CheckpointError(
                f"cannot be read as PyTorch weights: it is damaged, {folders[0]} is marked "
                "as a folder. Take another copy of the file"
            )
        names = [record.filename for record in records]
        if len(set(names)) < len(names) or sum(record.file_size for record in records) > size:
            raise CheckpointError(
                "cannot be read as PyTorch weights: records of its archive overlap, or have one "
                "name. Take another copy of the file"
            )
        for record in records:
            with archive.open(record) as stream:
                while stream.read(BLOCK):
                    pass
