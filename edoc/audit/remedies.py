"""What whoever reads a file can do about a seal that did not hold: a finding's own remedy is for whoever signs.

The Vietnamese of each is in ``api/cli/findings.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edoc.audit.model import CheckName
from signing.report import SubIndication
from signing.xades.verifier import ON_HOLD

_PROVE_THE_TIME: Final = (
    "the exchange's receipt, or the export of the document, tells when it was accepted: verify that; if you can prove"
    " by it or otherwise that the seal was there before {end}, judge the file as of a time before {end};"
    " else do not rely on it"
)
_PROVE_THE_EVIDENCE: Final = (
    "evidence does not prove its own age: if you can prove by something else that it was there before {end}, judge the"
    " file as of a time before {end}; else do not rely on it, and ask the exchange to explain"
)
_NOT_THIS_COPY: Final = "get the original from whoever signed it again; do not use this copy"
_AS_ISSUED: Final = "get the evidence from the exchange again, as it was issued; do not use this copy"
_EXCHANGE_EXPLAINS: Final = "do not rely on it; the exchange must explain why it sealed with this key at that time"
_FRESH_EXPORT: Final = (
    "get a fresh export from the exchange, and believe only one that is whole and under its own valid seal;"
    " the letter, the evidence and the answers inside are judged by themselves"
)
_TRUST_MORE: Final = (
    "if you have reason to believe the authority that issued the certificate, add its root certificate, got by a"
    " way you trust, to your anchors and verify again; else do not rely on it"
)
_YOUR_CLOCK: Final = (
    "if your clock, or the time that you named, is before that, judge the file as of a later time; else do not rely on"
    " it, and ask whoever signed it"
)

OF_SEALS: Final[Mapping[SubIndication, str]] = {
    SubIndication.FORMAT_FAILURE: "ask whoever signed it for the file with a signature in the right form",
    SubIndication.HASH_FAILURE: _NOT_THIS_COPY,
    SubIndication.SIG_CRYPTO_FAILURE: _NOT_THIS_COPY,
    SubIndication.REVOKED: "do not rely on it: it was sealed after the revocation; ask for it under a valid seal",
    SubIndication.EXPIRED: "do not rely on it: it was sealed after its certificate's end; ask for a valid seal",
    SubIndication.NOT_YET_VALID: (
        "do not rely on it: it was sealed before its certificate was valid; ask for it under a valid seal"
    ),
    SubIndication.SIG_CONSTRAINTS_FAILURE: (
        "do not rely on what the seal leaves out; ask whoever signed it for a seal over all that it must cover"
    ),
    SubIndication.CHAIN_CONSTRAINTS_FAILURE: (
        "do not rely on it: its certificate was not issued to seal with; ask for it under a seal that was"
    ),
    SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE: (
        "look whether the certificates and CRLs that you trust are right and of that time, and verify again;"
        " else do not rely on it"
    ),
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE: (
        "do not rely on it: its algorithm or key is too weak; ask for it under a stronger seal"
    ),
    SubIndication.POLICY_PROCESSING_ERROR: "tell the operator of the exchange",
    SubIndication.TIMESTAMP_ORDER_FAILURE: "do not rely on it: its times contradict each other; ask the exchange why",
    SubIndication.NO_SIGNING_CERTIFICATE_FOUND: "ask whoever signed it for the file with the signing certificate in it",
    SubIndication.NO_CERTIFICATE_CHAIN_FOUND: _TRUST_MORE,
    SubIndication.REVOKED_NO_POE: _PROVE_THE_TIME.format(end="the revocation"),
    SubIndication.REVOKED_CA_NO_POE: _PROVE_THE_TIME.format(end="the revocation of the authority"),
    SubIndication.OUT_OF_BOUNDS_NO_POE: _PROVE_THE_TIME.format(end="the certificate's end"),
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE: _PROVE_THE_TIME.format(end="the algorithm was found weak"),
    SubIndication.NO_POE: _PROVE_THE_TIME.format(end="the doubt arose"),
    SubIndication.TRY_LATER: "add a CRL that is fresh for that time to what you trust, and verify again",
    SubIndication.SIGNED_DATA_NOT_FOUND: "get the file whole: something that was signed is not in it",
    SubIndication.GENERIC: "read the reason; if it does not tell enough, ask the operator of the exchange",
}
"""Of the seal of a message or of any other file; complete."""

OF_EVIDENCE: Final[Mapping[SubIndication, str]] = {
    SubIndication.FORMAT_FAILURE: _AS_ISSUED,
    SubIndication.HASH_FAILURE: _AS_ISSUED,
    SubIndication.SIG_CRYPTO_FAILURE: _AS_ISSUED,
    SubIndication.NO_SIGNING_CERTIFICATE_FOUND: _AS_ISSUED,
    SubIndication.SIGNED_DATA_NOT_FOUND: _AS_ISSUED,
    SubIndication.SIG_CONSTRAINTS_FAILURE: _AS_ISSUED,
    SubIndication.REVOKED: _EXCHANGE_EXPLAINS,
    SubIndication.EXPIRED: _EXCHANGE_EXPLAINS,
    SubIndication.NOT_YET_VALID: _EXCHANGE_EXPLAINS,
    SubIndication.CHAIN_CONSTRAINTS_FAILURE: _EXCHANGE_EXPLAINS,
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE: _EXCHANGE_EXPLAINS,
    SubIndication.REVOKED_NO_POE: _PROVE_THE_EVIDENCE.format(end="the revocation"),
    SubIndication.REVOKED_CA_NO_POE: _PROVE_THE_EVIDENCE.format(end="the revocation of the authority"),
    SubIndication.OUT_OF_BOUNDS_NO_POE: _PROVE_THE_EVIDENCE.format(end="the certificate's end"),
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE: _PROVE_THE_EVIDENCE.format(end="the algorithm was found weak"),
    SubIndication.NO_POE: _PROVE_THE_EVIDENCE.format(end="the doubt arose"),
}
"""Of the exchange's seal on evidence, where it helps nobody to verify a receipt: it is one."""

_FOR_ANY_SEAL: Final = frozenset(
    {
        SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
        SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE,
        SubIndication.TRY_LATER,
        SubIndication.POLICY_PROCESSING_ERROR,
        SubIndication.GENERIC,
    }
)
"""What the reader's own trust, or the operator, has to mend, whatever the seal is on."""
OF_CONTAINERS: Final[Mapping[SubIndication, str]] = {
    each: _FRESH_EXPORT for each in SubIndication if each not in _FOR_ANY_SEAL
}
"""Of the exchange's seal over an export, which the exchange makes anew whenever it is asked."""

BY_RULE: Final[Mapping[str, str]] = {
    "path.before_validity": "judge the file as of a time at which the certificate is valid, or as of now",
    ON_HOLD: (
        "its authority has put the certificate on hold: do not rely on the file until the hold is lifted; then verify"
        " again with a CRL that says so"
    ),
    "path.was_on_hold": "do not rely on it: the certificate was on hold at that time; ask for it under a valid seal",
    "path.revoked_since": (
        "whoever has the key can write any time: do not rely on it, unless you can prove by something else that it was"
        " there before the revocation; then judge it as of a time before the revocation"
    ),
    "path.anchor_expired": (
        "add the authority's present certificate to what you trust, if it has one; or judge the file as of a time at"
        " which the old one was valid, if you can prove that the seal is from then; else do not rely on it"
    ),
    "path.authority_validity": (
        "judge the file as of a time at which the authority was valid, if you can prove that the seal is from then;"
        " else do not rely on it"
    ),
    "acceptance.signing_time": _YOUR_CLOCK,
}
"""By the rule of a seal's finding, where it says more than the sub-indication."""


def remedy_of_seal(name: CheckName, rule: str, sub_indication: SubIndication | None) -> str:
    """What the reader can do about a seal of that kind, by the rule where it says more than the sub-indication."""
    status = sub_indication or SubIndication.GENERIC
    special: Mapping[SubIndication, str] = {}
    if name is CheckName.CONTAINER_SEAL:
        special = OF_CONTAINERS
    elif name is CheckName.EVIDENCE_SEAL:
        special = OF_EVIDENCE
    return BY_RULE.get(rule) or special.get(status) or OF_SEALS[status]
