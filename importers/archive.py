"""The export inside Apple Health's zip, as a bounded stream that is never unpacked to disk.

Before anything is unpacked: (1) the directory at the zip's end is small enough to be read; (2) the export is
found by name, or, since Apple translates its name, as the largest xml that begins as an export; ``__MACOSX``
and the CDA copy are passed by; (3) it is not locked, and packed in a way that is known; (4) its size and how
far it expands are within bounds. What is then read is never more than the size that was declared.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from importers.candidates import FormatError, Reason

#: What zipfile raises, while opening or reading, for an archive that is damaged or cut off.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    EOFError,
    OSError,
    struct.error,
    ValueError,
    RuntimeError,
)

_END = b"PK\x05\x06"
_END64, _LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
_TAIL = (1 << 16) + 22
_IN_64 = 0xFFFFFFFF
_SNIFF = 1 << 16
_LOCKED = 0x1
_RATIO_FROM = 1 << 20


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """What a zip may hold: bytes unpacked, the ratio to packed, bytes and entries of its directory."""

    unpacked: int = 8 << 30
    ratio: int = 200
    directory: int = 16 << 20
    entries: int = 100_000


@contextmanager
def open_export(source: BinaryIO, *, limits: ZipLimits) -> Iterator[BinaryIO]:
    """Open the export inside a zip.

    Raises:
        FormatError: broken, locked, too large, or no export in it.
    """
    if _directory_size(source) > limits.directory:
        raise FormatError(Reason.TOO_LARGE)
    with ExitStack() as open_things:
        try:
            archive = open_things.enter_context(zipfile.ZipFile(source))
            if len(archive.filelist) > limits.entries:
                raise FormatError(Reason.TOO_LARGE)
            stream = open_things.enter_context(archive.open(_choose(archive, limits)))
        except BROKEN:
            raise FormatError(Reason.BROKEN_ZIP) from None
        yield cast("BinaryIO", stream)


def _directory_size(source: BinaryIO) -> int:
    """Return the size of the central directory, as the end record says it (APPNOTE 4.3.14 to 4.3.16)."""
    start = source.tell()
    size = source.seek(0, 2)
    source.seek(max(0, size - _TAIL))
    tail = source.read(_TAIL)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:  # noqa: PLR2004 - the end record's length
        raise FormatError(Reason.BROKEN_ZIP)
    (length,) = struct.unpack_from("<I", tail, at + 12)
    locator = tail[max(0, at - 20) : at]
    if locator.startswith(_LOCATOR64):
        source.seek(min(int.from_bytes(locator[8:16], "little"), size))
        record = source.read(56)
        length = int.from_bytes(record[40:48], "little") if record.startswith(_END64) else _IN_64
    source.seek(start)
    return int(length)


def _choose(archive: zipfile.ZipFile, limits: ZipLimits) -> zipfile.ZipInfo:
    candidates = [member for member in archive.filelist if _may_be_export(member)]
    candidates.sort(key=lambda member: (_name(member) != "export.xml", -member.file_size))
    for member in candidates[:8]:
        _check(member, limits)
        with archive.open(member) as stream:
            start = stream.read(_SNIFF)
        if b"HealthData" in start or b"H\0e\0a\0l\0t\0h\0D\0a\0t\0a" in start:
            return member
    raise FormatError(Reason.NO_EXPORT_IN_ZIP)


def _may_be_export(member: zipfile.ZipInfo) -> bool:
    folders = member.filename.split("/")[:-1]
    name = _name(member)
    plain = not member.is_dir() and not name.startswith(".") and "__MACOSX" not in folders
    return plain and len(folders) <= 1 and name.endswith(".xml") and "cda" not in name


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.rsplit("/", 1)[-1].lower()


def _check(member: zipfile.ZipInfo, limits: ZipLimits) -> None:
    if member.flag_bits & _LOCKED:
        raise FormatError(Reason.LOCKED_ZIP)
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise FormatError(Reason.BROKEN_ZIP)
    if member.file_size > limits.unpacked:
        raise FormatError(Reason.TOO_LARGE)
    if member.file_size > _RATIO_FROM and member.file_size > limits.ratio * max(1, member.compress_size):
        raise FormatError(Reason.TOO_LARGE)
