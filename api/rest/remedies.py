"""What helps against each problem, as the one who calls can do it; in Vietnamese and English, as titles are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Remedy:
    """What helps, in both languages."""

    vi: str
    en: str


_OPERATOR: Final = Remedy(
    "báo cho người vận hành trục, kèm giá trị của instance", "tell the operator of the exchange the value of instance"
)
_LATER: Final = Remedy(
    "gửi lại y nguyên sau số giây nêu trong tiêu đề Retry-After",
    "send the same again after the seconds in the header Retry-After",
)
_MEND: Final = Remedy("sửa những điều nêu trong errors rồi gửi lại", "mend what errors says, and send it again")

REMEDIES: Final[Mapping[str, Remedy]] = {
    "agency": Remedy(
        "dùng mã có trong danh mục (GET /api/v1/agencies)", "use a code of the directory (GET /api/v1/agencies)"
    ),
    "algorithm": Remedy(
        "ký lại bằng RSA từ 2048 bit hoặc ECDSA P-256, P-384 với SHA-256 trở lên",
        "sign again with RSA of 2048 bits or more, or ECDSA P-256 or P-384, and SHA-256 or better",
    ),
    "archive-damaged": _OPERATOR,
    "archive-unavailable": _LATER,
    "bad-request": Remedy(
        "sửa chương trình gửi: yêu cầu phải đúng HTTP", "repair the sending program: the request must be good HTTP"
    ),
    "certificate": Remedy(
        "dùng chứng thư số còn hiệu lực của cơ quan", "use a certificate of the agency that is valid"
    ),
    "conflict": Remedy(
        "nếu chính văn bản này đã được tiếp nhận thì không gửi lại; nếu không, dùng số, ký hiệu khác",
        "if this very document was taken on before, do not send it again; else give it another number and notation",
    ),
    "database-busy": _LATER,
    "database-unavailable": _LATER,
    "directory-changed": _LATER,
    "file": Remedy("gửi tệp đúng định dạng, còn nguyên vẹn", "send a file of the right format that is whole"),
    "forbidden": Remedy("dùng mã truy cập của đúng cơ quan", "use a token of the right agency"),
    "internal": _OPERATOR,
    "invalid-request": _MEND,
    "key-unavailable": _LATER,
    "keys": _OPERATOR,
    "media-type": Remedy(
        "gửi nội dung không nén, theo một kiểu nêu trong tiêu đề Accept của trả lời",
        "send the body uncompressed, as one of the types in the answer's header Accept",
    ),
    "message": _MEND,
    "method": Remedy(
        "dùng một phương thức nêu trong tiêu đề Allow của trả lời", "use a method of the answer's header Allow"
    ),
    "not-found": Remedy(
        "kiểm tra địa chỉ; văn bản chỉ có với cơ quan gửi và cơ quan nhận",
        "check the address; a document exists for its sender and its recipients only",
    ),
    "precondition": Remedy(
        "bỏ If-Match, hoặc nêu đúng ETag của trả lời", "leave If-Match out, or name the answer's ETag in it"
    ),
    "range": Remedy(
        "chọn khoảng trong kích thước nêu ở tiêu đề Content-Range của trả lời",
        "ask for a range within the size that the answer's header Content-Range names",
    ),
    "refused": _MEND,
    "scope": Remedy(
        "dùng mã truy cập có quyền nêu trong tiêu đề WWW-Authenticate của trả lời",
        "use a token with the scope that the answer's header WWW-Authenticate names",
    ),
    "seal-binding": Remedy(
        "dùng chứng thư số của chính cơ quan, chưa gắn với cơ quan khác",
        "use a certificate of the agency itself that is bound to no other",
    ),
    "seal-not-held": Remedy(
        "ký số bằng khóa của cơ quan rồi gửi qua POST /api/v1/messages",
        "seal it with the agency's own key, and send it by POST /api/v1/messages",
    ),
    "sender": Remedy(
        "dùng mã truy cập của cơ quan đứng tên gửi", "use a token of the agency that the message names as its sender"
    ),
    "set-up": _OPERATOR,
    "signature": Remedy("ký số lại văn bản rồi gửi", "sign the document anew, and send it"),
    "timeout": Remedy("gửi nhanh hơn, hoặc gửi liền một lần", "send the request faster, or in one go"),
    "token": Remedy("xin người vận hành trục mã truy cập mới", "get a new token from the operator of the exchange"),
    "token-missing": Remedy(
        "gửi tiêu đề Authorization: Bearer <mã truy cập>", "send the header Authorization: Bearer <token>"
    ),
    "too-large": Remedy("gửi ít hơn, hoặc tệp nhỏ hơn", "send less, or smaller files"),
    "taken-back": Remedy(
        "hỏi cơ quan gửi nếu vẫn cần văn bản này", "ask the sender, should the document still be needed"
    ),
    "transition": Remedy(
        "xem trạng thái hiện tại của văn bản, báo trạng thái có thể tiếp theo",
        "look at the document's present state, and report one that can follow",
    ),
    "trust-list": _LATER,
    "verification-unavailable": _LATER,
    "xml": Remedy(
        "sửa chương trình gửi: nội dung phải là XML đúng chuẩn, UTF-8, không có DTD",
        "repair the sending program: the body must be well-formed XML in UTF-8, without a DTD",
    ),
}
"""By the problem's name."""
