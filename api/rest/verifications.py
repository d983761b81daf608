"""``/verifications``: judging any file that the exchange emits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from cryptography import x509
from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.rest import examples
from api.rest.answers import BASE, SECURITY, described, json_answer, request_body, responses
from api.rest.authentication import caller
from api.rest.context import exchange, program
from api.rest.downloads import OCTETS
from api.rest.models import Verification, VerificationQuery
from api.rest.submissions import require_plain_coding
from edoc.acceptance.incoming import Incoming, receive
from edoc.audit.agencies import aliases_of_agencies
from edoc.audit.files import verify_file
from edoc.audit.model import AuditReport, AuditTime, Check, has_exchange_role
from edoc.directory.model import Directory
from keys.certificates import fingerprint
from signing.report import report_as_json

blueprint = APIBlueprint(
    "verifications",
    __name__,
    url_prefix=BASE,
    abp_tags=[Tag(name="Proof", description="Chứng cứ")],
    abp_security=SECURITY,
)
ENDPOINT: Final = f"{blueprint.name}.verify"
"""The name of the route in the application, which has a limit of its own."""
MOST_FILES: Final = 20_000
"""In a container. More take memory, which the threads of a process share; who has its own takes `edoc verify`."""


@blueprint.post(
    "/verifications",
    operation_id="verifyFile",
    responses=responses(
        {200: described(Verification, "What was found", examples.VERIFICATION)}, 400, 401, 413, 415, 503
    ),
    openapi_extensions=request_body(
        "An export (.asice), a message (.edxml), evidence or another signed XML file",
        {OCTETS: {"schema": {"type": "string", "contentMediaType": OCTETS}}},
    ),
)
def verify(query: VerificationQuery) -> Response:
    """Judge a file by the exchange's trust anchors and directory. A bad file is a good answer: the verdict is in it.

    Nothing of the file is kept.
    """
    caller()
    require_plain_coding(OCTETS)
    now = exchange().clock()
    time = AuditTime(query.at or now, given=query.at is not None)
    directory = exchange().directory.current()
    believed = program().trust.audit_trust(now, query.at, _is_exchange_seal)
    aliases = aliases_of_agencies(directory.agencies.values())
    trust = replace(believed, aliases=aliases, bound_to=partial(_bound_to, directory))
    with receive(request.stream, exchange().store, program().settings.max_verification_bytes) as incoming:
        report = verify_file(incoming.source, "body", trust, time, most_files=MOST_FILES)
        return json_answer(_render(report, incoming, time.at))


def _is_exchange_seal(certificate: x509.Certificate) -> bool:
    """Where no trust list tells: whether the authority says so, or it is the very seal of this exchange."""
    return certificate == exchange().issuer.key.certificate or has_exchange_role(certificate)


def _bound_to(directory: Directory, certificate: x509.Certificate, at: datetime) -> str | None:
    """The agency to which this exchange has bound a certificate."""
    agency = directory.bound_to(fingerprint(certificate), at)
    return None if agency is None else agency.code


def _render(report: AuditReport, incoming: Incoming, at: datetime) -> Verification:
    return Verification.model_validate(
        {
            "kind": report.kind.value,
            "verdict": report.verdict.value,
            "sha256": incoming.sha256,
            "size": incoming.size,
            "at": at,
            "checks": [_check(each) for each in report.checks],
            "facts": [vars(each) for each in report.facts],
        }
    )


def _check(check: Check) -> dict[str, object]:
    return {
        "name": check.name.value,
        "subject": check.subject,
        "outcome": check.outcome.value,
        "reason": check.reason,
        "remedy": check.remedy,
        "report": report_as_json(check.report) if check.report else None,
    }
