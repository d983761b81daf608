"""Every error as problem details (RFC 9457): one place decides what a caller is told.

A problem says in ``remedy`` what helps, and in ``errors`` what was wrong where, under which rule, and what helps
there. Titles and remedies come in Vietnamese and English, as the caller prefers; facts stay as the service tells them.
What is the exchange's own fault is not told in detail, but written into the log under the request's identifier, which
the answer carries.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import structlog
from flask import Flask, Response, json, request
from gunicorn.http.errors import LimitRequestHeaders, ParseException
from pydantic import ValidationError
from werkzeug.exceptions import ClientDisconnected, HTTPException

from api import errors as api_errors
from api.rest import errors as rest_errors
from api.rest.context import request_id
from api.rest.models import TextError
from api.rest.remedies import REMEDIES, Remedy
from edoc import errors as edoc_errors
from edoc.acceptance import errors as acceptance
from edoc.access import errors as access
from edoc.archive.s3_requests import AlreadyThereError
from edoc.database import errors as database
from edoc.delivery import errors as delivery
from edoc.directory import errors as directory
from edoc.errors import Violation
from edoc.evidence.errors import EvidenceFormatError
from keys import errors as keys
from schemas import errors as schemas
from signing import errors as signing
from signing.xades import errors as verification

MEDIA_TYPE: Final = "application/problem+json"
_REALM: Final = 'Bearer realm="edoc"'


@dataclass(frozen=True)
class ProblemKind:
    """What a caller is told about errors of one kind."""

    name: str
    status: HTTPStatus
    vi: str
    en: str
    retry_after: int | None = None
    """Seconds after which trying again may help."""
    is_told: bool = True
    """Whether the error's own words go out."""

    @property
    def uri(self) -> str:
        """The problem's type."""
        return f"urn:edoc:problem:{self.name}"

    @property
    def remedy(self) -> Remedy:
        """What the caller can do."""
        return REMEDIES[self.name]


def _kind(name: str, status: HTTPStatus, vi: str, en: str, retry_after: int | None = None) -> ProblemKind:
    return ProblemKind(name, status, vi, en, retry_after)


def _own_fault(name: str, vi: str, en: str) -> ProblemKind:
    return ProblemKind(name, HTTPStatus.INTERNAL_SERVER_ERROR, vi, en, is_told=False)


def _unavailable(name: str, vi: str, en: str, retry_after: int) -> ProblemKind:
    return ProblemKind(name, HTTPStatus.SERVICE_UNAVAILABLE, vi, en, retry_after, is_told=False)


_INTERNAL: Final = _own_fault("internal", "Lỗi của trục liên thông", "The exchange has failed")
_SET_UP: Final = _own_fault("set-up", "Trục liên thông chưa được cài đặt đúng", "The exchange is not set up properly")
_KEYS: Final = _own_fault("keys", "Không dùng được khóa của trục liên thông", "A key of the exchange cannot be used")
_CERTIFICATE: Final = _kind(
    "certificate", HTTPStatus.UNPROCESSABLE_ENTITY, "Chứng thư số không được chấp nhận", "A certificate is not accepted"
)
_DATABASE_BUSY: Final = _unavailable("database-busy", "Cơ sở dữ liệu đang bận", "The database is busy", 1)
_DATABASE: Final = _unavailable(
    "database-unavailable", "Không truy cập được cơ sở dữ liệu", "The database is unavailable", 5
)
_ARCHIVE: Final = _unavailable(
    "archive-unavailable", "Không truy cập được kho lưu trữ", "The archive is unavailable", 5
)
_ARCHIVE_DAMAGED: Final = ProblemKind(
    "archive-damaged",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Kho lưu trữ bị mất hoặc hỏng dữ liệu",
    "The archive has lost or altered content",
)
_INVALID: Final = _kind(
    "invalid-request", HTTPStatus.UNPROCESSABLE_ENTITY, "Yêu cầu không hợp lệ", "The request is not valid"
)
_AGENCY: Final = _kind(
    "agency", HTTPStatus.UNPROCESSABLE_ENTITY, "Mã cơ quan, đơn vị không dùng được", "An agency's code cannot be used"
)
_REFUSED: Final = _kind("refused", HTTPStatus.UNPROCESSABLE_ENTITY, "Văn bản bị từ chối", "The message is refused")
_CONFLICT: Final = _kind(
    "conflict", HTTPStatus.CONFLICT, "Mã văn bản đã được dùng cho nội dung khác", "The DocumentId is taken"
)
_FORBIDDEN: Final = _kind("forbidden", HTTPStatus.FORBIDDEN, "Không được phép", "Not allowed")
_NOT_FOUND: Final = _kind("not-found", HTTPStatus.NOT_FOUND, "Không tìm thấy", "Not found")
_TOKEN: Final = _kind("token", HTTPStatus.UNAUTHORIZED, "Mã truy cập không hợp lệ", "The token is not valid")
_SIGNATURE: Final = _kind(
    "signature", HTTPStatus.UNPROCESSABLE_ENTITY, "Chữ ký số không hợp lệ", "A signature does not pass"
)
_FILE: Final = _kind("file", HTTPStatus.UNPROCESSABLE_ENTITY, "Tệp không hợp lệ", "The file is not valid")

KINDS: Final[Mapping[type[Exception], ProblemKind]] = {
    # keys
    keys.KeysError: _KEYS,
    keys.KeyNotFoundError: _KEYS,
    keys.KeyStoreError: _KEYS,
    keys.KeyUnavailableError: _unavailable(
        "key-unavailable", "Khóa tạm thời không ký được", "A key cannot sign now", 30
    ),
    keys.CertificateFormatError: _CERTIFICATE,
    keys.NoTrustAnchorsError: _SET_UP,
    keys.PathError: _CERTIFICATE,
    keys.PathNotFoundError: _CERTIFICATE,
    keys.CertificateExpiredError: _CERTIFICATE,
    keys.CertificateNotYetValidError: _CERTIFICATE,
    keys.CertificateRevokedError: _CERTIFICATE,
    keys.RevocationUnknownError: _CERTIFICATE,
    keys.KeyUsageError: _CERTIFICATE,
    keys.WeakKeyError: _CERTIFICATE,
    keys.AuthorityError: _INTERNAL,
    # schemas
    schemas.SchemaError: _SET_UP,
    schemas.SchemaUnavailableError: _SET_UP,
    # signing
    signing.SigningError: _INTERNAL,
    signing.XmlError: _kind("xml", HTTPStatus.BAD_REQUEST, "Không đọc được tệp XML", "The XML cannot be read"),
    signing.XmlLimitError: _kind(
        "too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Tệp quá lớn", "The file is too large"
    ),
    signing.ContentError: _FILE,
    signing.AlgorithmRefusedError: _kind(
        "algorithm", HTTPStatus.UNPROCESSABLE_ENTITY, "Thuật toán không được chấp nhận", "An algorithm is not accepted"
    ),
    signing.SignatureCreationError: _KEYS,
    signing.ContainerError: _FILE,
    signing.ContainerLimitError: _FILE,
    signing.TrustListError: _kind(
        "trust-list",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Danh sách tin cậy của trục không dùng được",
        "The exchange's trust list cannot be used",
        60,
    ),
    verification.VerificationError: _SIGNATURE,
    **dict.fromkeys(verification.VerificationError.__subclasses__(), _SIGNATURE),
    # edoc
    edoc_errors.EdocError: _INTERNAL,
    edoc_errors.MessageError: _kind(
        "message",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Gói tin không đúng định dạng edXML",
        "The message breaks the format",
    ),
    edoc_errors.ArchiveError: _ARCHIVE,
    edoc_errors.ObjectNotFoundError: _ARCHIVE_DAMAGED,
    edoc_errors.ObjectCorruptError: _ARCHIVE_DAMAGED,
    edoc_errors.RetentionError: _INTERNAL,
    AlreadyThereError: _INTERNAL,
    acceptance.AcceptanceError: _REFUSED,
    acceptance.RefusedError: _REFUSED,
    acceptance.ConflictError: _CONFLICT,
    acceptance.SenderMismatchError: _kind(
        "sender", HTTPStatus.FORBIDDEN, "Không được gửi thay cơ quan này", "You may not send for this agency"
    ),
    acceptance.VerificationUnavailableError: _kind(
        "verification-unavailable",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Tạm thời chưa kiểm tra được chữ ký số",
        "The seal cannot be judged now",
        60,
    ),
    acceptance.DirectoryChangedError: _kind(
        "directory-changed",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Danh mục cơ quan vừa thay đổi",
        "The directory is changing",
        1,
    ),
    access.AccessError: _FORBIDDEN,
    access.InvalidTokenError: _TOKEN,
    access.MissingScopeError: _kind(
        "scope", HTTPStatus.FORBIDDEN, "Mã truy cập không có quyền này", "The token does not allow this"
    ),
    access.NotYoursError: _NOT_FOUND,
    delivery.DeliveryError: _REFUSED,
    delivery.UnknownDeliveryError: _NOT_FOUND,
    delivery.TakenBackError: _kind(
        "taken-back", HTTPStatus.CONFLICT, "Văn bản đã được lấy lại", "The document was taken back"
    ),
    delivery.ReportLimitError: _REFUSED,
    delivery.TransitionError: _kind(
        "transition", HTTPStatus.CONFLICT, "Trạng thái này không thể tiếp theo", "The state cannot follow"
    ),
    directory.DirectoryError: _AGENCY,
    directory.UnknownAgencyError: _AGENCY,
    directory.AgencyExpiredError: _AGENCY,
    directory.AgencyNotYetValidError: _AGENCY,
    directory.DirectoryFileError: _FILE,
    directory.SealBindingError: _kind(
        "seal-binding", HTTPStatus.CONFLICT, "Không gắn được chứng thư số", "The certificate cannot be bound"
    ),
    EvidenceFormatError: _FILE,
    database.DatabaseError: _INTERNAL,
    database.DatabaseUnavailableError: _DATABASE,
    database.UnsafeDatabaseError: _SET_UP,
    database.SchemaVersionError: _SET_UP,
    database.ForeignDatabaseError: _SET_UP,
    database.RetryableError: _DATABASE_BUSY,
    database.RowConflictError: _DATABASE_BUSY,
    # api
    api_errors.ApiError: _INTERNAL,
    api_errors.SettingsError: _SET_UP,
    api_errors.NotInitializedError: _SET_UP,
    api_errors.SecretFileError: _SET_UP,
    api_errors.SecretFileMissingError: _SET_UP,
    api_errors.AddressError: _SET_UP,
    api_errors.AddressTakenError: _SET_UP,
    rest_errors.InvalidRequestError: _INVALID,
    rest_errors.UnknownAgencyParameterError: _AGENCY,
    rest_errors.MediaTypeError: _kind(
        "media-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Kiểu nội dung không được hỗ trợ",
        "The media type is not supported",
    ),
    rest_errors.OwnConflictError: _CONFLICT,
    rest_errors.MissingTokenError: _kind(
        "token-missing", HTTPStatus.UNAUTHORIZED, "Thiếu mã truy cập", "The token is missing"
    ),
    rest_errors.SealNotHeldError: _kind(
        "seal-not-held",
        HTTPStatus.FORBIDDEN,
        "Trục liên thông không giữ khóa con dấu của cơ quan",
        "The exchange does not hold the agency's seal",
    ),
    rest_errors.ContentChangedError: _kind(
        "precondition",
        HTTPStatus.PRECONDITION_FAILED,
        "Nội dung không phải là nội dung nêu trong If-Match",
        "The content is not what If-Match names",
    ),
    rest_errors.UnsatisfiableRangeError: _kind(
        "range", HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "Khoảng dữ liệu không tồn tại", "The range does not exist"
    ),
    ValidationError: _INVALID,
}
"""What each error means to a caller. A test fails for a class that is not here."""

_BY_STATUS: Final[Mapping[int, ProblemKind]] = {
    400: _kind("bad-request", HTTPStatus.BAD_REQUEST, "Yêu cầu không đọc được", "The request cannot be read"),
    404: _NOT_FOUND,
    405: _kind("method", HTTPStatus.METHOD_NOT_ALLOWED, "Phương thức không được hỗ trợ", "The method is not supported"),
    408: _kind("timeout", HTTPStatus.REQUEST_TIMEOUT, "Hết thời gian chờ", "The request took too long"),
    413: KINDS[signing.XmlLimitError],
    415: KINDS[rest_errors.MediaTypeError],
    431: _kind(
        "bad-request",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "Yêu cầu không đọc được",
        "The request cannot be read",
    ),
}
"""What werkzeug refuses by itself."""

MOST_DETAIL: Final = 4096
"""Characters."""
MOST_ERRORS: Final = 100
"""Told of one request; whoever sends more mistakes would be answered with many times what was sent."""
_PYDANTIC_CLASSES: Final = (
    ("missing", "N"),
    ("too_long", "R"),
    ("too_short", "R"),
    ("greater_than", "R"),
    ("less_than", "R"),
    ("_type", "T"),
    ("_parsing", "T"),
)

_PYDANTIC_REMEDIES: Final[Mapping[str, str]] = {
    "missing": "give this field",
    "extra_forbidden": "leave it out, or spell it as the API's description does",
}
"""What helps against some of its rules; against the others, the description of the API."""


_WITH_VIOLATIONS: Final = (
    edoc_errors.MessageError,
    acceptance.RefusedError,
    rest_errors.InvalidRequestError,
    rest_errors.UnknownAgencyParameterError,
)


def kind_of(error: Exception) -> ProblemKind:
    """What a caller is told about an error; of a class that nobody thought of, only that the exchange has failed."""
    if isinstance(error, ClientDisconnected):  # the body did not come, or too slowly: the request itself may be right
        return _BY_STATUS[408]
    if isinstance(error, ParseException):  # of a body that came in chunks, once it was read
        return _BY_STATUS[431 if isinstance(error, LimitRequestHeaders) else 400]
    if isinstance(error, HTTPException):
        own = _BY_STATUS[400] if (error.code or 500) < HTTPStatus.INTERNAL_SERVER_ERROR else _INTERNAL
        return _BY_STATUS.get(error.code or 500, own)
    for each in type(error).__mro__:
        if each in KINDS:
            return KINDS[each]
    return _INTERNAL


def render(error: Exception) -> Response:
    """The answer to a request that ended with ``error``."""
    kind = kind_of(error)
    language = request.accept_languages.best_match(["vi", "en"], "vi")
    body: dict[str, Any] = {
        "type": kind.uri,
        "title": kind.en if language == "en" else kind.vi,
        "status": kind.status.value,
        "detail": _detail(error, kind),
        "instance": f"urn:edoc:request:{request_id()}",
        "remedy": kind.remedy.en if language == "en" else kind.remedy.vi,
    }
    if items := _items(error) or _whole_item(error, kind):
        body["errors"] = items[:MOST_ERRORS]
    if isinstance(error, acceptance.RefusedError) and error.evidence is not None:
        body["rejection"] = base64.b64encode(error.evidence.body).decode()
    if isinstance(error, rest_errors.OwnConflictError):
        body["document"] = error.link
    response = Response(json.dumps(body), kind.status, mimetype=MEDIA_TYPE)
    response.headers["Content-Language"] = language
    response.headers["Cache-Control"] = "no-store"
    _add_headers(response, error, kind)
    return response


def register(app: Flask) -> None:
    """Have every error of the application rendered here."""
    app.register_error_handler(Exception, _handle)


def _handle(error: Exception) -> Response:
    kind = kind_of(error)
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        structlog.get_logger("edoc.rest").error("request failed", problem=kind.name, exc_info=error)
    return render(error)


def _detail(error: Exception, kind: ProblemKind) -> str:
    if isinstance(error, ClientDisconnected):
        return "the body did not come whole, or too slowly"
    if isinstance(error, ParseException):
        return f"the chunks of the body break the rules of HTTP/1.1 ({type(error).__name__})"
    if isinstance(error, HTTPException):
        return (
            "there is nothing at this address" if error.code == HTTPStatus.NOT_FOUND else error.description or kind.en
        )
    if isinstance(error, ValidationError):
        return f"{error.error_count()} fields are not valid; see errors"
    if not kind.is_told:
        return f"{kind.en}; the log says why, under request {request_id()}"
    detail = str(error)
    return detail if len(detail) <= MOST_DETAIL else f"{detail[:MOST_DETAIL]} ..."


def _items(error: Exception) -> list[dict[str, str]]:
    if isinstance(error, _WITH_VIOLATIONS):
        return [_violation(each) for each in error.violations]
    if isinstance(error, signing.XmlError):
        item = {"code": f"T.{error.rule}", "field": "body", "rule": error.rule}
        return [item | {"reason": error.reason, "remedy": error.remedy}]
    if isinstance(error, ValidationError):
        return [_invalid_field(each) for each in error.errors(include_url=False, include_input=False)]
    return []


def _whole_item(error: Exception, kind: ProblemKind) -> list[dict[str, str]]:
    """The one item of an error that names no field although something has to be changed: the request as a whole."""
    if kind.status is not HTTPStatus.UNPROCESSABLE_ENTITY:
        return []
    item = {"code": "M.body", "field": "body", "rule": kind.name}
    return [item | {"reason": _detail(error, kind), "remedy": kind.remedy.en}]


def _violation(violation: Violation) -> dict[str, str]:
    return {
        "code": violation.code,
        "field": violation.field,
        "rule": violation.rule,
        "reason": violation.reason,
        "remedy": violation.remedy,
    }


def _invalid_field(found: Mapping[str, Any]) -> dict[str, str]:
    field = ".".join(map(str, found["loc"])) or "body"
    cause = found.get("ctx", {}).get("error")
    if isinstance(cause, TextError):
        item = {"code": f"M.{field}", "field": field, "rule": cause.rule}
        return item | {"reason": str(cause), "remedy": cause.remedy}
    rule = found["type"]
    letter = next((letter for part, letter in _PYDANTIC_CLASSES if part in rule), "M")
    remedy = _PYDANTIC_REMEDIES.get(rule, "give a value as the API's description says")
    return {"code": f"{letter}.{field}", "field": field, "rule": rule, "reason": found["msg"], "remedy": remedy}


def _challenge(error: Exception) -> str | None:
    """How to authenticate (RFC 6750 section 3), where that is what was wrong."""
    if isinstance(error, rest_errors.MissingTokenError):
        return _REALM
    if isinstance(error, access.InvalidTokenError):
        return f'{_REALM}, error="invalid_token"'
    if isinstance(error, access.MissingScopeError):
        return f'{_REALM}, error="insufficient_scope", scope="{error.scope}"'
    return None


def _add_headers(response: Response, error: Exception, kind: ProblemKind) -> None:
    if kind.retry_after is not None:
        response.headers["Retry-After"] = str(kind.retry_after)
    if challenge := _challenge(error):
        response.headers["WWW-Authenticate"] = challenge
    if isinstance(error, rest_errors.UnsatisfiableRangeError):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    elif isinstance(error, rest_errors.ContentChangedError):
        response.set_etag(error.sha256)
    elif isinstance(error, rest_errors.MediaTypeError):
        response.headers["Accept"] = ", ".join(error.accepted)
    elif isinstance(error, HTTPException):
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers["Allow"] = value
