"""Examples for the description of the API; a test holds each against its shape. Agencies and people are invented."""

from __future__ import annotations

from typing import Any, Final

from api.rest.models import ID_EXAMPLE, SHA256_EXAMPLE

_DELIVERY: Final = "0198c0de-0000-7000-8000-000000000002"
_AT: Final = "2026-03-02T01:15:00Z"
_DOCUMENT_LINK: Final = f"/api/v1/documents/{ID_EXAMPLE}"
_HEAD: Final[dict[str, Any]] = {
    "document": ID_EXAMPLE,
    "documentId": "H29.99,2026/03/02,15/CV-SVD",
    "code": "15/CV-SVD",
    "promulgationDate": "2026-03-02",
    "typeName": "Công văn",
    "subject": "Về việc ví dụ",
    "priority": 0,
    "dueDate": None,
}

RECEIPT: Final[dict[str, Any]] = {
    "kind": "document",
    "document": ID_EXAMPLE,
    "documentId": "H29.99,2026/03/02,15/CV-SVD",
    "messageSha256": SHA256_EXAMPLE,
    "acceptedAt": _AT,
    "deliveries": [{"id": _DELIVERY, "recipientCode": "H29.98"}],
    "warnings": [],
    "replayed": False,
    "receipt": "PEV2aWRlbmNlIC4uLj4=",
    "links": {"document": _DOCUMENT_LINK, "evidence": f"{_DOCUMENT_LINK}/evidence"},
}
INBOX: Final[dict[str, Any]] = {
    "items": [
        {
            "delivery": _DELIVERY,
            **_HEAD,
            "senderCode": "H29.99",
            "senderName": "Sở Ví dụ",
            "consignedAt": _AT,
            "handedOverAt": None,
            "state": "consigned",
            "stateAt": _AT,
            "recipientSequence": 41,
        }
    ],
    "next": "AZjA3gAAcACAAAAAAAAAAg",
}
SENT: Final[dict[str, Any]] = {"items": [{**_HEAD, "acceptedAt": _AT}], "next": None}
DOCUMENT: Final[dict[str, Any]] = {
    "perspective": "recipient",
    **{name: value for name, value in _HEAD.items() if name != "code"},
    "senderCode": "H29.99",
    "senderName": "Sở Ví dụ",
    "number": "15",
    "notation": "CV-SVD",
    "place": "TP. Hồ Chí Minh",
    "content": "Về việc ví dụ",
    "signerName": "Nguyễn Văn Ví Dụ",
    "signerCompetence": None,
    "signerPosition": "Giám đốc",
    "responseFor": [],
    "acceptedAt": _AT,
    "messageSha256": SHA256_EXAMPLE,
    "messageSize": 14321,
    "validation": [{"indication": "TOTAL-PASSED", "sub_indication": None}],
    "warnings": [],
    "attachments": [
        {
            "position": 0,
            "contentId": "att-1",
            "name": "15-CV-SVD.pdf",
            "mediaType": "application/pdf",
            "description": None,
            "size": 10240,
            "sha256": SHA256_EXAMPLE,
        }
    ],
    "deliveries": [
        {
            "id": _DELIVERY,
            "recipientCode": "H29.98",
            "recipientName": "Ủy ban nhân dân Quận Ví dụ",
            "addressedAs": "H29.98",
            "consignedAt": _AT,
            "handedOverAt": None,
            "state": "consigned",
            "stateAt": _AT,
        }
    ],
    "links": {"message": f"{_DOCUMENT_LINK}/message", "export": f"{_DOCUMENT_LINK}/export"},
}
EVIDENCE: Final[dict[str, Any]] = {
    "items": [
        {
            "sha256": SHA256_EXAMPLE,
            "type": "SubmissionAcceptance",
            "delivery": None,
            "messageSha256": SHA256_EXAMPLE,
            "previousSha256": None,
            "issuedAt": _AT,
            "link": f"{_DOCUMENT_LINK}/evidence/{SHA256_EXAMPLE}",
        }
    ]
}
STATUSES: Final[dict[str, Any]] = {
    "items": [
        {
            "messageSha256": SHA256_EXAMPLE,
            "delivery": _DELIVERY,
            "reporterCode": "H29.98",
            "reporterName": "Ủy ban nhân dân Quận Ví dụ",
            "code": "03",
            "description": "Đã tiếp nhận",
            "reportedAt": _AT,
            "receivedAt": _AT,
            "byExchange": False,
            "link": f"{_DOCUMENT_LINK}/status-messages/{SHA256_EXAMPLE}",
        }
    ]
}
VERIFICATION: Final[dict[str, Any]] = {
    "kind": "export",
    "verdict": "good",
    "sha256": SHA256_EXAMPLE,
    "size": 20480,
    "at": _AT,
    "checks": [
        {
            "name": "container_seal",
            "subject": "META-INF/signatures.xml",
            "outcome": "good",
            "reason": "the exchange's seal holds over all files",
            "remedy": None,
            "report": None,
        }
    ],
    "facts": [{"name": "sender", "value": "H29.99"}],
}
AGENCIES: Final[dict[str, Any]] = {
    "version": 3,
    "items": [
        {
            "code": "H29.99",
            "name": "Sở Ví dụ",
            "nameEn": "Department of Examples",
            "kind": "department",
            "parent": "H29",
            "aliases": ["000.00.99.H29"],
            "validFrom": "2018-01-01",
            "validTo": None,
            "successors": [],
        }
    ],
    "next": None,
}
HEALTH: Final[dict[str, Any]] = {
    "status": "ok",
    "checks": [{"name": "database", "ok": True, "reason": "answers, with the tables of this version"}],
}
METADATA: Final[dict[str, Any]] = {
    "recipients": ["H29.98"],
    "code": {"number": "15", "notation": "CV-SVD"},
    "typeName": "Công văn",
    "subject": "Về việc ví dụ",
    "signer": {"fullName": "Nguyễn Văn Ví Dụ", "position": "Giám đốc"},
    "place": "TP. Hồ Chí Minh",
    "priority": 1,
}
STATUS: Final[dict[str, Any]] = {"document": ID_EXAMPLE, "code": "03", "description": "Đã tiếp nhận"}
EDXML: Final = '<edXML xmlns="http://www.e-doc.vn/Schema/">...</edXML>'
