"""Which error is told how: the one place where exceptions become lines for people and exit codes.

Each error class finds the nearest entry among its bases, so that a new one is told by its family at least; a test
walks all error trees and fails where one finds none. The detail stays in the error's own words (English); the title
and the remedy are in the language of the output.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from api.cli.errors import UNFORESEEN, CliError, ExitCode, OutputFailedError, Problem
from api.cli.language import Text
from api.client import RefusedByExchangeError

_UNAUTHENTICATED: Final = 401
_SERVER_FAULT: Final = 500
_UNAVAILABLE: Final = 503
_NO_SPACE: Final = Text("giải phóng hoặc thêm dung lượng đĩa", "free or add space on the disk")
_NO_RIGHT: Final = Text(
    "xem quyền của tệp và thư mục, và hệ thống tệp có cho ghi không",
    "check the permissions of the file and its folder, and whether the file system can be written",
)
_NO_PATH: Final = Text("xem lại đường dẫn", "check the path")
_REMEDIES: Final = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: _NO_RIGHT,
    errno.ENOENT: _NO_PATH,
    errno.ENOTDIR: _NO_PATH,
    errno.EISDIR: _NO_PATH,
    errno.ENAMETOOLONG: _NO_PATH,
    errno.EEXIST: Text("chọn tên khác, hoặc chuyển tệp cũ đi", "choose another name, or move away what is there"),
}
"""What helps against an error of the system, where its number tells more than that something failed."""


@dataclass(frozen=True)
class _Entry:
    code: str
    title: Text
    remedy: Text
    exit_code: ExitCode


def describe(error: BaseException) -> Problem | None:
    """What the user is told about an error; None for one that nobody foresaw, whose trace is needed."""
    if isinstance(error, CliError):
        return error.problem
    if isinstance(error, RefusedByExchangeError):
        return _describe_refusal(error)
    entry = find_entry(type(error))
    if entry is None:
        return None
    detail = _detail(error)
    what = Text(f"{entry.title.vi}: {detail}", f"{entry.title.en}: {detail}")
    remedy = entry.remedy
    if isinstance(error, OSError) and error.errno is not None:
        remedy = _REMEDIES.get(error.errno, remedy)
    return Problem(entry.code, what, None, remedy, entry.exit_code)


def problem_of(error: Exception) -> Problem:
    """What the user is told about any error, also one that nobody foresaw."""
    detail = f"{type(error).__name__}: {error}"
    return describe(error) or Problem(
        UNFORESEEN,
        Text(f"lỗi chưa lường trước: {detail}", f"an error that nobody foresaw: {detail}"),
        None,
        Text("báo cho người phát triển, kèm các dòng trên", "report it with the lines above"),
        ExitCode.INPUT_OUTPUT,
    )


def find_entry(kind: type[BaseException]) -> _Entry | None:
    """How errors of that class are told."""
    table = _table()
    return next((table[base] for base in kind.__mro__ if base in table), None)


def _detail(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error).rstrip(".") or type(error).__name__


def _describe_refusal(error: RefusedByExchangeError) -> Problem:
    fields = error.fields
    detail = "; ".join(f"{each.field}: {each.reason} [{each.code}]" for each in fields) or error.detail or error.title
    remedy = next((each.remedy for each in fields if each.remedy), None)
    what = Text(
        f"trục liên thông từ chối ({error.status}): {detail}", f"the exchange refused ({error.status}): {detail}"
    )
    advice = Text(remedy, remedy) if remedy else _refusal_remedy(error)
    return Problem(error.kind, what, None, advice, _refusal_exit_code(error))


def _refusal_exit_code(error: RefusedByExchangeError) -> ExitCode:
    if error.status == _UNAUTHENTICATED:
        return ExitCode.USAGE
    if error.kind == "verification-unavailable":
        return ExitCode.INDETERMINATE
    return ExitCode.INPUT_OUTPUT if error.status >= _SERVER_FAULT else ExitCode.BAD


def _refusal_remedy(error: RefusedByExchangeError) -> Text:
    """As the exchange itself has it for that kind, in the user's language; of another version, as far as can be."""
    from api.rest.remedies import REMEDIES

    if error.status == _UNAUTHENTICATED:
        return Text("dùng mã truy cập còn hiệu lực (--token-file)", "use a token that is valid (--token-file)")
    if error.status >= _SERVER_FAULT:
        return Text("thử lại sau; người vận hành xem nhật ký", "try again later; the operator's log says more")
    if error.kind in REMEDIES:
        return Text(REMEDIES[error.kind].vi, REMEDIES[error.kind].en)
    return Text("sửa theo lý do đã nêu rồi gửi lại", "mend what is named and try again")


@cache
def _table() -> Mapping[type[BaseException], _Entry]:
    """Imported when the first error comes up, so that a command that meets none stays quick."""
    from api.client import ClientError, ExchangeUnreachableError, UnexpectedAnswerError
    from api.errors import (
        AddressError,
        AddressTakenError,
        ApiError,
        NotInitializedError,
        SecretFileError,
        SecretFileMissingError,
        SettingsError,
    )
    from edoc.acceptance.errors import AcceptanceError, VerificationUnavailableError
    from edoc.access.errors import AccessError, InvalidTokenError
    from edoc.database.errors import (
        DatabaseError,
        ForeignDatabaseError,
        RetryableError,
        SchemaVersionError,
        UnsafeDatabaseError,
    )
    from edoc.delivery.errors import DeliveryError
    from edoc.directory.errors import DirectoryError
    from edoc.errors import ArchiveError, EdocError, MessageError, ObjectCorruptError, ObjectNotFoundError
    from edoc.evidence.errors import EvidenceFormatError
    from keys.errors import (
        AuthorityError,
        CertificateFormatError,
        KeyNotFoundError,
        KeysError,
        KeyStoreError,
        KeyUnavailableError,
        NoTrustAnchorsError,
        PathError,
        RevocationUnknownError,
    )
    from schemas.errors import SchemaError
    from signing.errors import ContainerError, SignatureCreationError, SigningError, TrustListError, XmlError

    bad, usage = ExitCode.BAD, ExitCode.USAGE
    failed, unknown = ExitCode.INPUT_OUTPUT, ExitCode.INDETERMINATE
    again = Text("lấy lại tệp từ nơi gửi", "get the file again from where it came")
    return {
        OutputFailedError: _Entry(
            "standard_output",
            Text("không ghi được ra đầu ra chuẩn", "standard output cannot be written"),
            Text(
                "xem dung lượng đĩa, hoặc chương trình đọc sau dấu |", "look at the disk, or at the program after the |"
            ),
            failed,
        ),
        OSError: _Entry(
            "input_output",
            Text("không đọc hoặc ghi được", "cannot be read or written"),
            Text("xem lý do đã nêu, sửa rồi chạy lại", "see the reason given, mend it and run it again"),
            failed,
        ),
        ApiError: _Entry(
            "program",
            Text("không thực hiện được", "it cannot be done"),
            Text("sửa điều đã nêu rồi chạy lại", "mend what is named and run it again"),
            usage,
        ),
        SettingsError: _Entry(
            "settings",
            Text("cấu hình sai", "the settings are wrong"),
            Text("sửa biến môi trường hoặc edoc.toml", "mend the environment or edoc.toml; docs/configuration.md"),
            usage,
        ),
        NotInitializedError: _Entry(
            "not_initialized",
            Text("chưa có trục liên thông ở đây", "there is no exchange here"),
            Text("chạy edoc init, hoặc chỉ thư mục bằng --home", "run edoc init, or name its folder with --home"),
            usage,
        ),
        SecretFileError: _Entry(
            "secret_file",
            Text("tệp mật khẩu không dùng được", "a file with a secret cannot be used"),
            Text("sửa tệp; chỉ chủ sở hữu được đọc (chmod 600)", "mend the file; chmod 600"),
            usage,
        ),
        SecretFileMissingError: _Entry(
            "secret_file",
            Text("không có tệp mật khẩu", "a file with a secret is not there"),
            Text("xem lại đường dẫn của tệp", "check the path of the file"),
            usage,
        ),
        AddressError: _Entry(
            "address",
            Text("dịch vụ không mở được địa chỉ", "the service cannot listen on its address"),
            Text("sửa EDOC_HOST hoặc EDOC_PORT", "mend EDOC_HOST or EDOC_PORT"),
            usage,
        ),
        AddressTakenError: _Entry(
            "address_taken",
            Text("cổng của dịch vụ đã bị chiếm (EDOC_PORT)", "the service's port is taken (EDOC_PORT)"),
            Text(
                "dừng chương trình đang dùng cổng đó, hoặc đặt EDOC_PORT khác",
                "stop the other program, or set another EDOC_PORT",
            ),
            failed,
        ),
        ClientError: _Entry(
            "client",
            Text("không hỏi được trục liên thông", "the exchange cannot be asked"),
            Text("thử lại sau", "try again later"),
            failed,
        ),
        ExchangeUnreachableError: _Entry(
            "unreachable",
            Text("không kết nối được", "no connection"),
            Text(
                "xem --url và dịch vụ có chạy không; gửi lại không hại gì",
                "check --url and that it runs; sending again does no harm",
            ),
            failed,
        ),
        UnexpectedAnswerError: _Entry(
            "unexpected_answer",
            Text("câu trả lời lạ", "an unexpected answer"),
            Text("xem --url có đúng là trục liên thông không", "check that --url is an exchange"),
            failed,
        ),
        EdocError: _Entry(
            "exchange",
            Text("trục liên thông không làm được", "the exchange cannot do it"),
            Text("sửa điều đã nêu rồi chạy lại", "mend what is named and run it again"),
            bad,
        ),
        MessageError: _Entry(
            "message",
            Text("thông điệp sai quy cách", "the message breaks the format"),
            Text("sửa các trường đã nêu rồi gửi lại", "mend the fields named and send it again"),
            bad,
        ),
        AcceptanceError: _Entry(
            "acceptance",
            Text("không tiếp nhận", "not taken on"),
            Text("sửa điều đã nêu rồi gửi lại", "mend what is named and send it again"),
            bad,
        ),
        VerificationUnavailableError: _Entry(
            "verification_unavailable",
            Text("chưa thể kiểm tra chữ ký số", "the seal cannot be judged now"),
            Text(
                "thử lại sau; người vận hành trục xem chứng thư gốc và danh sách thu hồi (CRL): edoc doctor",
                "try again later; the exchange's operator looks after its trust anchors and CRLs: edoc doctor",
            ),
            unknown,
        ),
        AccessError: _Entry(
            "access",
            Text("không được phép", "not allowed"),
            Text("dùng mã truy cập có quyền cần thiết", "use a token that carries the right"),
            bad,
        ),
        InvalidTokenError: _Entry(
            "token",
            Text("mã truy cập không hợp lệ", "the token cannot be used"),
            Text(
                "xem edoc token list; tạo mã mới bằng edoc token create",
                "see edoc token list; make one with edoc token create",
            ),
            usage,
        ),
        DeliveryError: _Entry(
            "delivery",
            Text("trạng thái không phù hợp", "the state cannot follow"),
            Text("xem trạng thái hiện tại bằng edoc show", "look at the present state with edoc show"),
            bad,
        ),
        DirectoryError: _Entry(
            "directory",
            Text("danh bạ cơ quan", "the directory of agencies"),
            Text("xem edoc directory list; sửa mã hoặc tệp", "see edoc directory list; mend the code or the file"),
            usage,
        ),
        DatabaseError: _Entry(
            "database",
            Text("cơ sở dữ liệu không dùng được", "the database cannot be used"),
            Text("chạy edoc doctor", "run edoc doctor"),
            failed,
        ),
        RetryableError: _Entry(
            "database_busy",
            Text("cơ sở dữ liệu đang bận", "the database is busy"),
            Text("chạy lại", "run it again"),
            failed,
        ),
        SchemaVersionError: _Entry(
            "database_version",
            Text("cơ sở dữ liệu thuộc phiên bản khác", "the database is of another version"),
            Text("cập nhật chương trình lên phiên bản mới nhất", "update the program to its newest version"),
            failed,
        ),
        ForeignDatabaseError: _Entry(
            "database_foreign",
            Text("cơ sở dữ liệu là của chương trình khác", "the database is another program's"),
            Text("chỉ cơ sở dữ liệu của trục (EDOC_DATABASE_URL)", "name the exchange's own (EDOC_DATABASE_URL)"),
            failed,
        ),
        UnsafeDatabaseError: _Entry(
            "database_unsafe",
            Text("cơ sở dữ liệu có thể làm mất dữ liệu", "the database could lose data"),
            Text("chạy edoc doctor và làm theo chỉ dẫn", "run edoc doctor and follow it"),
            failed,
        ),
        ArchiveError: _Entry(
            "archive",
            Text("kho lưu trữ không dùng được", "the archive cannot be used"),
            Text("chạy edoc doctor", "run edoc doctor"),
            failed,
        ),
        ObjectNotFoundError: _Entry(
            "archive_lost",
            Text("kho lưu trữ mất dữ liệu", "the archive has lost something"),
            Text("khôi phục từ bản sao; edoc doctor --deep", "restore it from the backup; edoc doctor --deep"),
            bad,
        ),
        ObjectCorruptError: _Entry(
            "archive_altered",
            Text("dữ liệu trong kho lưu trữ đã bị thay đổi", "the archive has been altered"),
            Text("khôi phục từ bản sao; edoc doctor --deep", "restore it from the backup; edoc doctor --deep"),
            bad,
        ),
        EvidenceFormatError: _Entry(
            "evidence", Text("chứng cứ không đọc được", "the evidence cannot be read"), again, bad
        ),
        KeysError: _Entry(
            "keys",
            Text("khóa hoặc chứng thư số", "a key or certificate"),
            Text("xem tệp đã nêu", "look at the file named"),
            usage,
        ),
        KeyNotFoundError: _Entry(
            "key_not_found",
            Text("không có khóa", "there is no such key"),
            Text("xem đường dẫn và tên tệp .p12", "check the path and the name of the .p12 file"),
            usage,
        ),
        KeyStoreError: _Entry(
            "key_store",
            Text("không mở được khóa", "the key cannot be opened"),
            Text("xem mật khẩu và quyền của tệp (chmod 600)", "check the password and the file's mode (chmod 600)"),
            usage,
        ),
        KeyUnavailableError: _Entry(
            "key_unavailable",
            Text("khóa không ký được", "the key cannot sign"),
            Text("dùng khóa RSA từ 2048 bit hoặc P-256, P-384", "use a key of RSA 2048 or more, P-256 or P-384"),
            usage,
        ),
        CertificateFormatError: _Entry(
            "certificate",
            Text("chứng thư số hoặc CRL không đọc được", "a certificate or CRL cannot be read"),
            Text("thay tệp đã nêu", "replace the file named"),
            usage,
        ),
        NoTrustAnchorsError: _Entry(
            "no_trust_anchors",
            Text(
                "KHÔNG CÓ CHỨNG THƯ GỐC TIN CẬY, KHÔNG KIỂM TRA ĐƯỢC GÌ", "NO TRUST ANCHORS, SO NOTHING CAN BE JUDGED"
            ),
            Text("chỉ thư mục chứng thư gốc bằng --trust", "name a folder of root certificates with --trust"),
            usage,
        ),
        PathError: _Entry(
            "certificate_path",
            Text("chứng thư số không được chấp nhận", "a certificate is not accepted"),
            Text("dùng chứng thư số còn hiệu lực của cơ quan", "use a certificate of the agency that is valid"),
            bad,
        ),
        RevocationUnknownError: _Entry(
            "revocation_unknown",
            Text("không biết chứng thư số đã bị thu hồi chưa", "nobody can tell whether a certificate was revoked"),
            Text("cập nhật danh sách thu hồi (CRL)", "renew the CRLs"),
            unknown,
        ),
        AuthorityError: _Entry(
            "authority",
            Text("cơ quan chứng thực dùng thử từ chối", "the demonstration authority refuses"),
            Text("xem edoc keys list", "see edoc keys list"),
            usage,
        ),
        SigningError: _Entry("signing", Text("chữ ký số", "a signature"), again, bad),
        XmlError: _Entry("xml", Text("tệp XML không đọc được", "the XML cannot be read"), again, bad),
        ContainerError: _Entry(
            "container", Text("gói chứng cứ không đọc được", "the container cannot be read"), again, bad
        ),
        TrustListError: _Entry(
            "trust_list",
            Text("danh sách tin cậy không dùng được", "the trust list cannot be used"),
            Text(
                "lấy trust-list.xml hiện hành từ trục (dùng thử: edoc keys trust-list)",
                "get the present trust-list.xml from the exchange (demonstration: edoc keys trust-list)",
            ),
            usage,
        ),
        SignatureCreationError: _Entry(
            "sealing",
            Text("không ký số được", "it cannot be sealed"),
            Text("xem khóa và thông điệp", "check the key and the message"),
            usage,
        ),
        SchemaError: _Entry(
            "schemas",
            Text("bản cài đặt thiếu tệp", "the installation is incomplete"),
            Text("cài đặt lại edoc-exchange", "install edoc-exchange again"),
            failed,
        ),
    }
