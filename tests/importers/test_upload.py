import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importers.upload import FRAME, UploadTooLargeError, UploadWriter, open_upload
from keys.primitives import CannotOpenError, random_key

UPLOAD = b"u" * 16


def written(folder: Path, *pieces: bytes, limit: int = 1 << 30) -> tuple[Path, bytes]:
    """Seal pieces as an upload; return its file and key."""
    path = folder / f"upload-{len(list(folder.iterdir()))}"
    writer = UploadWriter(path, UPLOAD, limit=limit)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    assert writer.size == sum(map(len, pieces))
    return path, writer.key


def opened(path: Path, key: bytes, upload: bytes = UPLOAD) -> bytes:
    """Read an upload whole."""
    with path.open("rb") as file:
        return open_upload(file, upload, key).read()


@pytest.mark.parametrize("size", [1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME + 17])
def test_upload_comes_back_as_it_was(tmp_path: Path, size: int) -> None:
    """Whatever its size is against the frame's."""
    data = bytes(number % 251 for number in range(size))
    path, key = written(tmp_path, data[: size // 3], data[size // 3 :])
    assert opened(path, key) == data


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3 * FRAME), st.integers(0, 5000)), max_size=10))
def test_stream_is_read_from_anywhere(tmp_path: Path, places: list[tuple[int, int]]) -> None:
    """A zip archive is read from its end."""
    data = b"0123456789abcdef" * (5 * FRAME // 32)
    path, key = written(tmp_path, data)
    with path.open("rb") as file:
        stream = open_upload(file, UPLOAD, key)
        assert stream.seek(0, io.SEEK_END) == len(data)
        for at, length in places:
            stream.seek(at)
            assert stream.read(length) == data[at : at + length]


def test_read_gives_as_much_as_is_asked_for(tmp_path: Path) -> None:
    """Also across frames: a JSON file cut at a frame's end would look malformed."""
    data = bytes(number % 251 for number in range(2 * FRAME + 10))
    path, key = written(tmp_path, data)
    with path.open("rb") as file:
        stream = open_upload(file, UPLOAD, key)
        assert stream.read(4) == data[:4]
        assert stream.read(2 * FRAME) == data[4 : 2 * FRAME + 4]
        assert stream.tell() == 2 * FRAME + 4


@pytest.mark.parametrize("place", ["length", "version", "kind", "nonce", "middle", "tag", "last frame"])
def test_changed_upload_does_not_open(tmp_path: Path, place: str) -> None:
    """One bit anywhere: a length, an envelope's head, the sealed bytes."""
    path, key = written(tmp_path, b"x" * (FRAME + 100))
    raw = bytearray(path.read_bytes())
    first = 4 + 2 + 12 + FRAME + 16
    at = {
        "length": 3, "version": 4, "kind": 5, "nonce": 6, "middle": 1000, "tag": first - 1, "last frame": first + 40,
    }[place]  # fmt: skip
    raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Exception, match=r"cut|open|envelope|empty") as refused:
        opened(path, key)
    assert refused.type.__module__ == "keys.primitives"


def test_cut_upload_does_not_open(tmp_path: Path) -> None:
    """Each frame says whether it is the last: one less is not a shorter file."""
    path, key = written(tmp_path, b"x" * (2 * FRAME + 5))
    raw = path.read_bytes()
    frame = 4 + 2 + 12 + FRAME + 16
    for end in (2 * frame, frame, frame + 2, len(raw) - 1, 3, 0):
        path.write_bytes(raw[:end])
        with pytest.raises(CannotOpenError):
            opened(path, key)


def test_reordered_upload_does_not_open(tmp_path: Path) -> None:
    """Each frame says its number."""
    path, key = written(tmp_path, b"x" * FRAME, b"y" * FRAME, b"z")
    raw, frame = path.read_bytes(), 4 + 2 + 12 + FRAME + 16
    path.write_bytes(raw[frame : 2 * frame] + raw[:frame] + raw[2 * frame :])
    with pytest.raises(CannotOpenError):
        opened(path, key)


def test_foreign_upload_does_not_open(tmp_path: Path) -> None:
    """Neither under another key nor as another upload."""
    path, key = written(tmp_path, b"x")
    with pytest.raises(CannotOpenError):
        opened(path, random_key())
    with pytest.raises(CannotOpenError):
        opened(path, key, b"v" * 16)


def test_nothing_stands_in_clear(tmp_path: Path) -> None:
    """It is sealed before it touches the disk, and the key is not there."""
    path, key = written(tmp_path, b"HKQuantityTypeIdentifierBodyMass" * 10_000)
    raw = path.read_bytes()
    assert b"BodyMass" not in raw
    assert key not in raw


def test_too_large_upload_leaves_nothing(tmp_path: Path) -> None:
    """What is past the limit is refused as it comes in, and the file is gone."""
    path = tmp_path / "upload"
    writer = UploadWriter(path, UPLOAD, limit=FRAME)
    writer.write(b"x" * FRAME)
    with pytest.raises(UploadTooLargeError):
        writer.write(b"x")
    assert not path.exists()


def test_upload_never_replaces_another(tmp_path: Path) -> None:
    """An id drawn twice must not end in one import reading another's file."""
    path, _ = written(tmp_path, b"x")
    with pytest.raises(FileExistsError):
        UploadWriter(path, UPLOAD, limit=1)
