"""What a file is that ``edoc verify`` cannot judge, in plain words, by how it begins; and input that is no file."""

from __future__ import annotations

import contextlib
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from api.cli.errors import CliError, usage_error
from api.cli.language import Text

STANDARD_INPUT: Final = Path("-")
HEAD_BYTES: Final = 512
"""So many bytes tell what a file is."""
_CHUNK_BYTES: Final = 1 << 20
_TAR_AT: Final = 257
_NAME_AT: Final = 30
"""Where in a ZIP archive the name of its first member stands."""
_OFFICE_NAMES: Final = (b"[Content_Types].xml", b"_rels/.rels", b"docProps/")


@dataclass(frozen=True)
class Foreign:
    """A kind of file that is nothing that the exchange makes."""

    what: Text
    advice: Text


_VERIFIABLE: Final = Text(
    "kiểm tra được: gói chứng cứ (.asice), thông điệp (.edxml), chứng cứ và tệp XML có chữ ký số khác",
    "what can be verified: an export (.asice), a message (.edxml), evidence, another XML file with a signature",
)
_AS_ATTACHMENT: Final = Text(
    "hãy kiểm tra thông điệp (.edxml) hoặc gói chứng cứ (.asice) có tệp này; chữ ký bên trong tệp thì không xem ở đây",
    "verify the message (.edxml) or the export (.asice) that it came in; a signature within it is not looked at here",
)
_UNPACK: Final = Text("giải nén, rồi kiểm tra tệp bên trong", "unpack it and verify the file inside")
_SHOW: Final = Text("xem bằng edoc keys show", "look at it with edoc keys show")

_ARCHIVE: Final = Text("tệp nén", "a compressed archive")
_PICTURE: Final = Text("tệp ảnh", "a picture")
_OFFICE: Final = Text("tệp văn phòng (Word, Excel, PowerPoint)", "an office document (Word, Excel, PowerPoint)")
_BEGINNINGS: Final[tuple[tuple[bytes, Foreign], ...]] = (
    (b"%PDF-", Foreign(Text("tệp PDF", "a PDF document"), _AS_ATTACHMENT)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign(_OFFICE, _AS_ATTACHMENT)),
    (b"\x89PNG\r\n", Foreign(_PICTURE, _AS_ATTACHMENT)),
    (b"\xff\xd8\xff", Foreign(_PICTURE, _AS_ATTACHMENT)),
    (b"GIF8", Foreign(_PICTURE, _AS_ATTACHMENT)),
    (b"BEGIN:VCALENDAR", Foreign(Text("tệp lịch (.ics)", "a calendar file (.ics)"), _AS_ATTACHMENT)),
    (b"\x1f\x8b", Foreign(Text("tệp nén gzip", "a gzip file"), _UNPACK)),
    (b"BZh", Foreign(_ARCHIVE, _UNPACK)),
    (b"\xfd7zXZ\x00", Foreign(_ARCHIVE, _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Foreign(_ARCHIVE, _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Foreign(_ARCHIVE, _UNPACK)),
    (b"Rar!\x1a\x07", Foreign(_ARCHIVE, _UNPACK)),
    (b"-----BEGIN", Foreign(Text("chứng thư số, CRL hoặc khóa (PEM)", "a certificate, CRL or key (PEM)"), _SHOW)),
)
_EMPTY: Final = Foreign(
    Text("tệp rỗng", "an empty file"), Text("lấy lại tệp từ nơi gửi", "get it again from its sender")
)
_TAR: Final = Foreign(Text("gói tar", "a tar archive"), _UNPACK)
_KEY_FILE: Final = Foreign(
    Text("tệp khóa PKCS#12 (.p12), phải giữ bí mật", "a key file, PKCS#12 (.p12), to be kept secret"), _SHOW
)
_DER: Final = Foreign(Text("chứng thư số hoặc CRL (DER)", "a certificate or CRL (DER)"), _SHOW)
_HTML: Final = Foreign(
    Text("trang web (HTML)", "a web page (HTML)"),
    Text(
        "có lẽ là trang báo lỗi hoặc đăng nhập: tải lại tệp", "perhaps of an error or a login: download the file again"
    ),
)
_OTHER: Final = Foreign(
    Text("không phải XML, cũng không phải gói chứng cứ", "neither XML nor an export of a document"), _VERIFIABLE
)
_XML_BEGINNINGS: Final = (b"<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")


def recognise(head: bytes) -> Foreign | None:
    """What a file is whose first :data:`HEAD_BYTES` bytes are these; None for XML and ZIP, which are looked into."""
    if not head:
        return _EMPTY
    if head.startswith(b"PK\x03\x04"):
        return Foreign(_OFFICE, _AS_ATTACHMENT) if head[_NAME_AT:].startswith(_OFFICE_NAMES) else None
    if head.startswith(b"PK"):
        return None
    found = next((foreign for start, foreign in _BEGINNINGS if head.startswith(start)), None)
    if found is not None:
        return found
    if head[_TAR_AT:].startswith(b"ustar"):
        return _TAR
    if head.startswith((b"\x30\x82", b"\x30\x83", b"\x30\x80")):
        return _KEY_FILE if b"\x02\x01\x03\x30" in head[:12] else _DER
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return _HTML
    return None if head.lstrip(b" \t\r\n").startswith(_XML_BEGINNINGS) else _OTHER


@contextlib.contextmanager
def plain_file(path: Path, max_bytes: int) -> Iterator[Path]:
    """The file itself; what comes through a pipe or standard input (``-``) as a temporary file while the block runs.

    Raises:
        CliError: it is a folder or a device, or more comes than ``max_bytes``.
        OSError: it cannot be read, or the temporary file cannot be written.
    """
    if path == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise _refused(Text("không có gì đến từ đầu vào chuẩn", "nothing comes through standard input"), path)
        with _copied(sys.stdin.buffer, path, max_bytes) as copy:
            yield copy
        return
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        yield path
    elif stat.S_ISFIFO(mode):
        with path.open("rb") as pipe, _copied(pipe, path, max_bytes) as copy:
            yield copy
    elif stat.S_ISDIR(mode):
        raise _refused(Text("đây là một thư mục", "this is a folder"), path)
    else:
        raise _refused(Text("đây là một thiết bị, không phải tệp", "this is a device and no file"), path)


@contextlib.contextmanager
def _copied(pipe: BinaryIO, path: Path, max_bytes: int) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="edoc-") as file:
        size = 0
        while chunk := pipe.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                limit = max_bytes >> 20
                raise usage_error(
                    "too_large",
                    Text(
                        f"qua ống dẫn chỉ đọc tối đa {limit} MiB", f"no more than {limit} MiB are read through a pipe"
                    ),
                    Text("ghi vào một tệp rồi kiểm tra tệp đó", "write it into a file and verify that"),
                    str(path),
                )
            file.write(chunk)
        file.flush()
        yield Path(file.name)


def _refused(what: Text, path: Path) -> CliError:
    return usage_error(
        "no_file", what, Text(f"chỉ ra một tệp; {_VERIFIABLE.vi}", f"name a file; {_VERIFIABLE.en}"), str(path)
    )
