"""The certificates and CRLs that an export carries: they help to build paths, and prove nothing by themselves.

Whoever made the file chose them, so that they are read within limits, which leave room for every true export: one
certificate a file, of the seals and of the authorities above them, and the CRLs by which these were judged. Of 1000
recipients each answers under a seal of its own; if three certificates stand for each seal, they are some 3000.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Generic, TypeVar

from cryptography import x509

from edoc.audit.model import Check, CheckName, Outcome
from edoc.export import layout
from keys.certificates import UNREADABLE, read_certificates, read_crls
from keys.errors import CertificateFormatError
from keys.store import DigestAlgorithm
from signing.asice import Member
from signing.errors import ContainerError

GET_AGAIN: Final = "get the export again; if it stays so, the exchange must explain it"

CarriedT = TypeVar("CarriedT", x509.Certificate, x509.CertificateRevocationList)


@dataclass(frozen=True)
class CarriedLimits:
    """How much of one kind an export may carry; what lies beyond is not read. Sizes are in bytes, unpacked."""

    most: int
    """Files, and also what is read out of them."""
    most_in_file: int
    """PEM blocks of one file."""
    file_bytes: int
    bytes_together: int


CERTIFICATE_LIMITS: Final = CarriedLimits(most=4096, most_in_file=8, file_bytes=64 << 10, bytes_together=64 << 20)
"""More than the 3000 certificates of an export to 1000 recipients. One has two kilobytes, and at most twelve where it
came in a signature; a file of eight is a chain of the greatest length that is believed."""
CRL_LIMITS: Final = CarriedLimits(most=4096, most_in_file=8, file_bytes=64 << 20, bytes_together=128 << 20)
"""Two CRLs of each authority prove what was not revoked at one time; exports made before had all that decided, which
are many where they are kept for years. A CRL takes some 40 bytes for each certificate revoked: 64 MiB, the most that
the exchange itself reads, are 1.6 million."""


@dataclass(frozen=True)
class Carried(Generic[CarriedT]):
    """What could be read of one kind, each once, and what was wrong with the rest."""

    found: tuple[CarriedT, ...]
    checks: tuple[Check, ...]


def carried_certificates(
    members: Sequence[Member], limits: CarriedLimits = CERTIFICATE_LIMITS
) -> Carried[x509.Certificate]:
    """Read the certificates of an export. Raises nothing for bad ones."""

    def read_file(data: bytes, seen: set[bytes]) -> Sequence[x509.Certificate]:
        return read_certificates(data, at_most=limits.most_in_file, seen=seen)

    return _read(members, layout.CERTIFICATES, "certificates", limits, read_file)


def carried_crls(
    members: Sequence[Member], limits: CarriedLimits = CRL_LIMITS
) -> Carried[x509.CertificateRevocationList]:
    """Read the CRLs of an export. Raises nothing for bad ones."""

    def read_file(data: bytes, seen: set[bytes]) -> Sequence[x509.CertificateRevocationList]:
        return read_crls(data, at_most=limits.most_in_file, seen=seen)

    return _read(members, layout.CRLS, "CRLs", limits, read_file)


def _read(
    members: Sequence[Member],
    folder: str,
    kind: str,
    limits: CarriedLimits,
    read_file: Callable[[bytes, set[bytes]], Sequence[CarriedT]],
) -> Carried[CarriedT]:
    """An altered file is set aside, or it could stand in the way of the true one."""
    found: list[CarriedT] = []
    checks: list[Check] = []
    seen: set[bytes] = set()
    together = 0
    files = [member for member in members if member.name.startswith(folder)]
    for number, member in enumerate(files):
        together += member.size
        beyond = _beyond(kind, limits, max(number, len(found)), together)
        if beyond:
            checks.append(Check(CheckName.FORMAT, folder, Outcome.BAD, beyond, GET_AGAIN))
            break
        try:
            data = _content(member, limits)
        except (CertificateFormatError, ContainerError) as error:
            checks.append(_unusable(member, error))
            continue
        try:
            found.extend(read_file(data, seen))
        except CertificateFormatError as error:
            checks.append(_set_aside(member, error) if _is_certificate(data) else _unusable(member, error))
    return Carried(tuple(found), tuple(checks))


def _unusable(member: Member, error: Exception) -> Check:
    return Check(CheckName.FORMAT, member.name, Outcome.BAD, f"it cannot be used: {error}", GET_AGAIN)


def _set_aside(member: Member, error: CertificateFormatError) -> Check:
    """It is as it was exported, so that nobody altered it, and what proves nothing cannot prove anything wrong."""
    reason = f"no path can be built with it, so that it was set aside: {error}"
    return Check(CheckName.FORMAT, member.name, Outcome.NOTE, reason)


def _is_certificate(data: bytes) -> bool:
    """Whether it is a certificate in DER at all. Strangers' ones with odd signatures once came into exports."""
    try:
        x509.load_der_x509_certificate(data)
    except UNREADABLE:
        return False
    return True


def _beyond(kind: str, limits: CarriedLimits, read: int, together: int) -> str | None:
    """Why the next file is not read any more."""
    if read >= limits.most:
        return f"the export carries more than {limits.most} {kind}; those beyond were not read"
    if together > limits.bytes_together:
        return f"the export carries {kind} of more than {limits.bytes_together} bytes; those beyond were not read"
    return None


def _content(member: Member, limits: CarriedLimits) -> bytes:
    """The bytes of the file, which is named after their digest (see :mod:`edoc.export.layout`)."""
    if member.size > limits.file_bytes:
        raise CertificateFormatError(f"it has {member.size} bytes, more than {limits.file_bytes}")
    if PurePosixPath(member.name).stem != member.digest(DigestAlgorithm.SHA256).hex():
        raise CertificateFormatError("it is not what had the SHA-256 after which it is named")
    return member.read()
