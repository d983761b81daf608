"""What the checks of an audit mean to a Vietnamese reader, and what helps: in English the checks say it themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edoc.audit.model import Check

_SEAL_HOLDS: Final = "chữ ký hợp lệ"
_SEAL_UNDECIDED: Final = "chưa đủ căn cứ để kết luận về chữ ký"
_GET_AGAIN: Final = "lấy lại gói từ trục; nếu vẫn như vậy, trục phải giải thích"
_PROVE_THE_TIME: Final = (
    "biên nhận của trục hoặc gói chứng cứ cho biết văn bản được tiếp nhận lúc nào: hãy kiểm tra chúng; nếu nhờ đó"
    " chứng minh được chữ ký đã có trước khi {end} thì kiểm tra lại bằng --at vào lúc trước đó; nếu không thì không tin"
)
_PROVE_THE_EVIDENCE: Final = (
    "chứng cứ không tự chứng minh được thời điểm của nó: nếu có chứng cứ khác cho thấy nó đã có trước khi {end} thì"
    " kiểm tra lại bằng --at vào lúc trước đó; nếu không thì không tin, và yêu cầu trục giải thích"
)
_SIGN_AGAIN: Final = "đề nghị bên ký ký lại bằng con dấu còn hiệu lực"
_AS_ISSUED: Final = "lấy lại chứng cứ từ trục, đúng như đã cấp; không dùng bản này"
_EXCHANGE_EXPLAINS: Final = "không tin; trục phải giải thích vì sao đã ký bằng khóa ấy vào lúc đó"
_FRESH_EXPORT: Final = (
    "lấy gói mới từ trục, và chỉ tin gói nguyên vẹn mà chính trục đã ký bằng con dấu còn hiệu lực;"
    " văn bản, chứng cứ và trạng thái trong gói được kiểm tra riêng từng phần"
)
_NOT_THIS_COPY: Final = "lấy lại bản gốc từ bên ký; không dùng bản này"

MEANINGS: Final = {
    "good": {
        "container_seal": _SEAL_HOLDS,
        "message_seal": _SEAL_HOLDS,
        "message_sender": "đúng là của cơ quan gửi",
        "attachment": "đúng là tệp trong thông điệp đã ký",
        "evidence_seal": _SEAL_HOLDS,
        "evidence_link": "nối đúng vào chuỗi",
        "status_seal": _SEAL_HOLDS,
        "status_link": "đúng là về văn bản này",
        "evidence_message": "đúng là về thông điệp này",
        "evidence_sender": "đúng là cơ quan gửi ghi trong thông điệp đã ký",
        "evidence_recipients": "đúng là các cơ quan nhận ghi trong thông điệp đã ký",
        "evidence_time": "các thời điểm không mâu thuẫn nhau",
        "completeness": "đủ",
    },
    "bad": {
        "format": "tệp hỏng, hoặc không phải tệp của trục liên thông",
        "presence": "tệp này không có trong gói: đã bị lấy ra, hoặc chưa từng được đưa vào",
        "file_name": "tên tệp không đúng với những gì ghi trong tệp",
        "container_seal": "gói đã bị sửa sau khi trục ký, hoặc không phải do trục ký",
        "message_seal": "không có chữ ký, chữ ký không hợp lệ, hoặc nội dung đã bị sửa sau khi ký",
        "message_sender": "người ký không phải là cơ quan ghi trong văn bản",
        "attachment": "tệp đính kèm không phải là tệp trong thông điệp đã ký, hoặc mang tên khác",
        "evidence_seal": "chứng cứ đã bị sửa, hoặc không phải do trục cấp",
        "evidence_link": "chuỗi chứng cứ bị đứt: có phần bị sửa hoặc bị mất",
        "status_seal": "thông điệp trạng thái đã bị sửa, hoặc chữ ký không có hay không hợp lệ",
        "status_link": "trạng thái không thuộc về văn bản này, hoặc có hai lần trong gói",
        "evidence_message": "trục nêu mã văn bản hoặc kích thước khác với thông điệp đã ký",
        "evidence_sender": "trục nêu cơ quan gửi khác với cơ quan ghi trong thông điệp đã ký",
        "evidence_recipients": "trục nêu cơ quan nhận khác với các cơ quan ghi trong thông điệp đã ký",
        "evidence_time": "trục nêu các thời điểm mâu thuẫn nhau, hoặc trước ngày ghi trên văn bản",
        "completeness": "thiếu hoặc thừa tệp",
    },
    "indeterminate": {
        "format": "không kết luận được về tệp này",
        "container_seal": _SEAL_UNDECIDED,
        "message_seal": _SEAL_UNDECIDED,
        "message_sender": "chưa có chữ ký nào đạt, nên chưa chứng minh được văn bản là của cơ quan gửi",
        "evidence_seal": _SEAL_UNDECIDED,
        "status_seal": _SEAL_UNDECIDED,
        "evidence_sender": (
            "chỉ có trục nói rằng mã cơ quan gửi ghi trong thông điệp và mã trong chứng cứ là của một cơ quan"
        ),
        "evidence_recipients": (
            "chỉ có trục nói rằng mã cơ quan nhận ghi trong thông điệp và mã trong chứng cứ là của một cơ quan"
        ),
        "evidence_time": "sự kiện được ghi sau thời điểm kiểm tra, nên chưa ai có thể chứng kiến",
    },
    "note": {
        "exchange_identity": "không có danh sách tin cậy: chỉ dựa vào chính chứng thư số để nhận ra chữ ký của trục",
        "time": "thời điểm là do trục nêu; chưa có dấu thời gian độc lập xác nhận",
        "omission": (
            "gói đúng như trục đã lập: trục có bỏ bớt lần trao hoặc trạng thái sau cùng hay không thì chỉ bên giữ biên"
            " nhận của chúng mới thấy"
        ),
    },
}
"""By outcome and check."""

MEANINGS_BY_RULE: Final = {
    "sender.exchange": "do trục báo thay cơ quan này, bằng chữ ký của chính trục",
    "agency.unnamed": "chứng thư số không ghi mã cơ quan nào; chỉ có trục nói rằng đó là của cơ quan gửi",
}
"""By the rule of a check, where it says more than the outcome."""
MEANINGS_OF_SEALS: Final = {
    "REVOKED": "chữ ký không có giá trị: theo thời điểm ghi trong chữ ký, đã ký sau khi chứng thư số bị thu hồi",
    "EXPIRED": "chữ ký không có giá trị: theo thời điểm ghi trong chữ ký, đã ký sau khi chứng thư số hết hạn",
    "NOT_YET_VALID": "chữ ký không có giá trị: đã ký trước khi chứng thư số có hiệu lực",
}
"""By the sub-indication of a seal that is bad although nothing was altered after it was made."""
_ONE_AGENCY: Final = "chưa có gì cho thấy mã ghi trong thông điệp và mã trong chứng thư số là của một cơ quan"
_MEANINGS_OF_SENDERS: Final = {
    "agency.unconfirmed": _ONE_AGENCY,
    "agency.unlisted": _ONE_AGENCY,
}
"""The same of the message's own sender, whom no evidence names."""

REMEDIES_OF_SEALS: Final = {
    "FORMAT_FAILURE": "đề nghị bên ký gửi lại bản có chữ ký đúng định dạng",
    "HASH_FAILURE": _NOT_THIS_COPY,
    "SIG_CRYPTO_FAILURE": _NOT_THIS_COPY,
    "REVOKED": f"không tin: đã ký sau khi chứng thư số bị thu hồi; {_SIGN_AGAIN}",
    "EXPIRED": f"không tin: đã ký sau khi chứng thư số hết hạn; {_SIGN_AGAIN}",
    "NOT_YET_VALID": f"không tin: đã ký trước khi chứng thư số có hiệu lực; {_SIGN_AGAIN}",
    "SIG_CONSTRAINTS_FAILURE": (
        "không tin những phần mà chữ ký bỏ sót; đề nghị bên ký ký lại đủ mọi phần mà chữ ký phải bao gồm"
    ),
    "CHAIN_CONSTRAINTS_FAILURE": (
        "không tin: chứng thư số không được cấp để ký như vậy; đề nghị ký lại bằng chứng thư số phù hợp"
    ),
    "CERTIFICATE_CHAIN_GENERAL_FAILURE": (
        "xem chứng thư số và danh sách thu hồi (CRL) mà bạn tin có đúng và có còn hạn vào lúc đó không, rồi kiểm tra"
        " lại; nếu không thì không tin"
    ),
    "CRYPTO_CONSTRAINTS_FAILURE": (
        "không tin: thuật toán hoặc khóa quá yếu; đề nghị bên ký ký lại bằng thuật toán và khóa đủ mạnh"
    ),
    "POLICY_PROCESSING_ERROR": "báo cho người vận hành trục",
    "TIMESTAMP_ORDER_FAILURE": "không tin: các mốc thời gian mâu thuẫn nhau; yêu cầu trục giải thích",
    "NO_SIGNING_CERTIFICATE_FOUND": "đề nghị bên ký gửi lại bản có kèm chứng thư số đã ký",
    "NO_CERTIFICATE_CHAIN_FOUND": (
        "nếu có căn cứ để tin tổ chức đã cấp chứng thư số, hãy thêm chứng thư gốc của họ, lấy bằng đường tin cậy,"
        " vào những gì bạn tin rồi kiểm tra lại; nếu không thì không tin"
    ),
    "REVOKED_NO_POE": _PROVE_THE_TIME.format(end="chứng thư số bị thu hồi"),
    "REVOKED_CA_NO_POE": _PROVE_THE_TIME.format(end="chứng thư số của tổ chức cấp bị thu hồi"),
    "OUT_OF_BOUNDS_NO_POE": _PROVE_THE_TIME.format(end="chứng thư số hết hạn"),
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": _PROVE_THE_TIME.format(end="thuật toán bị coi là yếu"),
    "NO_POE": _PROVE_THE_TIME.format(end="có nghi vấn"),
    "TRY_LATER": "thêm danh sách thu hồi (CRL) còn hạn vào những gì bạn tin, rồi kiểm tra lại",
    "SIGNED_DATA_NOT_FOUND": "lấy lại bản đầy đủ: có phần đã ký mà không có trong tệp",
    "GENERIC": "xem chi tiết trong ngoặc; nếu không rõ, hỏi người vận hành trục",
}
"""By the sub-indication of EN 319 102-1 with which a seal did not pass; in English ``edoc/audit/remedies.py``."""

REMEDIES_OF_EVIDENCE: Final = {
    "FORMAT_FAILURE": _AS_ISSUED,
    "HASH_FAILURE": _AS_ISSUED,
    "SIG_CRYPTO_FAILURE": _AS_ISSUED,
    "NO_SIGNING_CERTIFICATE_FOUND": _AS_ISSUED,
    "SIGNED_DATA_NOT_FOUND": _AS_ISSUED,
    "SIG_CONSTRAINTS_FAILURE": _AS_ISSUED,
    "REVOKED": _EXCHANGE_EXPLAINS,
    "EXPIRED": _EXCHANGE_EXPLAINS,
    "NOT_YET_VALID": _EXCHANGE_EXPLAINS,
    "CHAIN_CONSTRAINTS_FAILURE": _EXCHANGE_EXPLAINS,
    "CRYPTO_CONSTRAINTS_FAILURE": _EXCHANGE_EXPLAINS,
    "REVOKED_NO_POE": _PROVE_THE_EVIDENCE.format(end="chứng thư số bị thu hồi"),
    "REVOKED_CA_NO_POE": _PROVE_THE_EVIDENCE.format(end="chứng thư số của tổ chức cấp bị thu hồi"),
    "OUT_OF_BOUNDS_NO_POE": _PROVE_THE_EVIDENCE.format(end="chứng thư số hết hạn"),
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": _PROVE_THE_EVIDENCE.format(end="thuật toán bị coi là yếu"),
    "NO_POE": _PROVE_THE_EVIDENCE.format(end="có nghi vấn"),
}
"""The same of the exchange's seal on evidence: of a receipt, another receipt proves nothing."""

_FOR_ANY_SEAL: Final = frozenset(
    {
        "NO_CERTIFICATE_CHAIN_FOUND",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        "TRY_LATER",
        "POLICY_PROCESSING_ERROR",
        "GENERIC",
    }
)
REMEDIES_OF_CONTAINERS: Final = {each: _FRESH_EXPORT for each in REMEDIES_OF_SEALS if each not in _FOR_ANY_SEAL}
"""The same of the exchange's seal over an export, which the exchange makes anew whenever it is asked."""
_REMEDIES_OF_THE_EXCHANGE: Final = {"container_seal": REMEDIES_OF_CONTAINERS, "evidence_seal": REMEDIES_OF_EVIDENCE}

REMEDIES_BY_RULE: Final = {
    "path.before_validity": "kiểm tra lại bằng --at vào lúc chứng thư số có hiệu lực, hoặc không dùng --at",
    "path.on_hold": (
        "tổ chức cấp đang tạm dừng chứng thư số: chưa tin, cho đến khi việc tạm dừng được hủy bỏ; khi đó kiểm tra lại"
        " với danh sách thu hồi (CRL) mới"
    ),
    "path.was_on_hold": (
        "không tin: đã ký trong lúc chứng thư số bị tạm dừng, và việc tạm dừng ấy đã kết thúc; đề nghị bên ký ký lại"
        " bằng chứng thư số còn hiệu lực"
    ),
    "path.revoked_since": (
        "ai giữ khóa cũng có thể ghi thời điểm tùy ý: không tin, trừ khi có chứng cứ khác cho thấy tệp đã có trước khi"
        " chứng thư số bị thu hồi; khi đó kiểm tra lại bằng --at vào lúc trước đó"
    ),
    "path.anchor_expired": (
        "nếu tổ chức cấp có chứng thư gốc mới, thêm vào những gì bạn tin; hoặc kiểm tra lại bằng --at vào lúc chứng thư"
        " gốc cũ còn hiệu lực, nếu chứng minh được chữ ký đã có từ lúc ấy; nếu không thì không tin"
    ),
    "path.authority_validity": (
        "kiểm tra lại bằng --at vào lúc tổ chức cấp còn hiệu lực, nếu chứng minh được chữ ký đã có từ lúc ấy;"
        " nếu không thì không tin"
    ),
    "acceptance.signing_time": (
        "nếu đồng hồ của bạn, hoặc thời điểm nêu bằng --at, sớm hơn lúc đó thì kiểm tra lại vào lúc sau đó; nếu không"
        " thì không tin, và hỏi bên ký"
    ),
}
"""By the rule of a seal's finding, where it says more than the sub-indication."""

REMEDIES_OF_CHECKS: Final = {
    "agency.unlisted": (
        "danh sách cơ quan của bạn không có mã đó: hỏi cơ quan ấy, hoặc nơi giữ danh sách, xem mã đó là của ai;"
        " khi chưa rõ thì không tin"
    ),
    "agency.unnamed": (
        "hỏi cơ quan ấy, bằng đường tin cậy, xem chứng thư số có mã SHA-256 đó có đúng là của cơ quan không"
    ),
    "agency.unconfirmed": "kiểm tra lại với --directory và danh sách cơ quan mà bạn tin",
    "time.after_audit": (
        "nếu đồng hồ của bạn, hoặc thời điểm nêu bằng --at, sớm hơn lúc đó thì kiểm tra lại vào lúc sau đó; nếu không"
        " thì không tin, và yêu cầu trục giải thích"
    ),
}
"""By the rule of a check that is about no seal."""

REMEDIES: Final = {
    "bad": {
        "format": "lấy lại tệp đúng từ nơi đã gửi; nếu vẫn như vậy, nơi đó phải giải thích",
        "presence": "lấy lại gói từ trục; gói thiếu tệp thì không chứng minh được gì về tệp ấy",
        "file_name": _GET_AGAIN,
        "container_seal": _FRESH_EXPORT,
        "message_seal": "đề nghị cơ quan gửi gửi bản có ký số",
        "message_sender": "không tin; hãy hỏi lại cơ quan ghi trong văn bản",
        "attachment": _GET_AGAIN,
        "evidence_seal": "chỉ tin những gì chính trục đã ký",
        "evidence_link": _GET_AGAIN,
        "status_seal": "đề nghị cơ quan báo trạng thái gửi bản có ký số",
        "status_link": _GET_AGAIN,
        "evidence_message": _GET_AGAIN,
        "evidence_sender": _GET_AGAIN,
        "evidence_recipients": _GET_AGAIN,
        "evidence_time": _GET_AGAIN,
        "completeness": _GET_AGAIN,
    },
    "indeterminate": {
        "format": (
            "đặt danh sách tin cậy vào thư mục tin cậy cùng chứng thư số của nơi lập nó;"
            " `edoc keys show` cho biết nó có hiệu lực không"
        ),
        "container_seal": "kiểm tra lại vào lúc đó là con dấu của trục, nếu chứng minh được gói có từ lúc ấy",
        "message_sender": "xem kết quả kiểm tra chữ ký",
        "evidence_seal": "kiểm tra lại vào lúc đó là con dấu của trục, nếu chứng minh được chứng cứ có từ lúc ấy",
    },
}
"""By outcome and check, where no seal's sub-indication says more."""


def meaning(check: Check) -> str | None:
    """What a check has shown; None where only its own words tell it."""
    by_rule = _MEANINGS_OF_SENDERS if check.name.value == "message_sender" else {}
    rule, status = check.rule or "", check.report.sub_indication if check.report is not None else None
    by_seal = MEANINGS_OF_SEALS.get(status.value) if status is not None else None
    by_outcome = MEANINGS[check.outcome.value].get(check.name.value)
    return by_rule.get(rule) or MEANINGS_BY_RULE.get(rule) or by_seal or by_outcome


def remedy(check: Check) -> str | None:
    """What helps; None where nothing needs to. The check's own words where there are no others."""
    if check.remedy is None:
        return None
    if check.rule in REMEDIES_OF_CHECKS:
        return REMEDIES_OF_CHECKS[check.rule]
    name = check.name.value
    status = check.report.sub_indication if check.report is not None else None
    if check.report is None or status is None:
        return REMEDIES.get(check.outcome.value, {}).get(name, check.remedy)
    rule = check.report.findings[0].rule if check.report.findings else ""
    special = _REMEDIES_OF_THE_EXCHANGE.get(name, {})
    return REMEDIES_BY_RULE.get(rule) or special.get(status.value) or REMEDIES_OF_SEALS[status.value]
