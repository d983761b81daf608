"""Files that commands write: never over one that is there, whole or not at all, and on the disk when done.

What is fetched is written under another name beside its place and linked to it at the end, so that a command that was
stopped leaves no half a file under the right name. Names that came from outside are made harmless first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from api.cli.errors import usage_error
from api.cli.language import Text
from keys.pkcs12 import sync_folder

MAX_NAME_BYTES: Final = 200
_FORBIDDEN: Final = frozenset('/\\:*?"<>|')
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{each}{n}" for each in ("com", "lpt") for n in range(10))}
)
"""Names of devices on Windows, whatever their extension."""
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
"""What file systems say that know no second name of a file, such as those of memory sticks."""


def safe_name(name: str, fallback: str) -> str:
    """A name from outside as the name of a plain file in the folder at hand, on every system.

    No path survives, no control or invisible character, no leading dot or hyphen, no name of a device.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    kept = "".join("_" if each in _FORBIDDEN or unicodedata.category(each)[0] == "C" else each for each in last)
    kept = kept.strip(" .").lstrip("-")
    if not kept or kept.partition(".")[0].lower() in _RESERVED:
        kept = f"{fallback}-{kept}" if kept else fallback
    return _shortened(kept)


@contextlib.contextmanager
def new_file(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file that appears at ``path`` when the block ends well, on the disk by then; nothing where it does not.

    Raises:
        FileExistsError: there is something already; it stays as it is.
        OSError: it cannot be written.
    """
    if path.exists() or path.is_symlink():
        raise _taken(path)
    with _beside(path, mode) as (file, written):
        yield file
        _flush(file)
        _put_in_place(written, path)
        sync_folder(path.parent)


def check_new(path: Path) -> None:
    """Make sure that :func:`new_file` can make a file at ``path`` now.

    Raises:
        FileExistsError: there is something already.
        OSError: its folder is missing, or nothing can be written into it.
    """
    if path.exists() or path.is_symlink():
        raise _taken(path)
    with _beside(path, 0o600):
        pass


def check_readable(path: Path) -> None:
    """Make sure that ``path`` is a file that can be read, as often as needed.

    Raises:
        CliError: it is a folder, or a pipe, which can be read once only.
        OSError: it is not there, or nobody lets us read it.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        what = Text("đây không phải là tệp thường", "this is no plain file")
        remedy = Text("ghi nội dung vào một tệp rồi chỉ tệp đó", "write what it holds into a file and name that")
        raise usage_error("no_file", what, remedy, str(path))
    with path.open("rb"):
        pass


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """A new file of these bytes; as :func:`new_file`."""
    with new_file(path, mode) as file:
        file.write(data)


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put ``data`` at ``path`` in place of what is there: readers see the old bytes or the new ones, never half.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    with _beside(path, mode) as (file, written):
        file.write(data)
        _flush(file)
        written.replace(path)
        sync_folder(path.parent)


@contextlib.contextmanager
def _beside(path: Path, mode: int) -> Iterator[tuple[BinaryIO, Path]]:
    """A private file in the same folder, gone again when the block ends."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=".edoc-", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # the user knows no other name
    written = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            yield file, written
    finally:
        written.unlink(missing_ok=True)


def _put_in_place(written: Path, path: Path) -> None:
    """Give the file its name, unless there is something of that name."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _take_name(path)
        written.replace(path)


def _take_name(path: Path) -> None:
    """Where the file system has no links: the name is taken with an empty file, which the whole one then replaces."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        raise _taken(path) from None


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _taken(path: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "it exists already and is not overwritten", str(path))


def _shortened(name: str) -> str:
    """At most :data:`MAX_NAME_BYTES` bytes, the extension kept."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 -- a name from outside, not a path
    if len(suffix.encode()) > MAX_NAME_BYTES // 4:
        stem, suffix = name, ""
    return stem.encode()[: MAX_NAME_BYTES - len(suffix.encode())].decode(errors="ignore") + suffix
