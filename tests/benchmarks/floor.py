"""The floor: the least work by which a message could be accepted, without any of the exchange around it.

One lxml parse, the canonical forms and digests that the seal needs, one RSA-2048 verification with the path taken as
known, one durable SQLite transaction of as many rows of the same sizes, one file written and flushed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree
from pysqlite3 import dbapi2 as sqlite

DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_SIGNATURE: Final = etree.XPath("//ds:Signature", namespaces={"ds": DS[1:-1]})


def verify(message: bytes, public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> None:
    """Parse, canonicalize, digest and verify once; no schema, policy, path or limits."""
    root = etree.fromstring(message, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    [signature] = _SIGNATURE(root)
    info = signature[0]
    ids = {element.get("Id"): element for element in root.iter(etree.Element) if element.get("Id")}
    for reference in info.iterchildren(DS + "Reference"):
        element = ids[reference.get("URI")[1:]]
        if reference.find(f"{DS}Transforms/{DS}Transform").get("Algorithm").endswith("base64"):
            octets = base64.b64decode(element.text or "")
        else:
            octets = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
        digest = base64.b64decode(reference.findtext(DS + "DigestValue"))
        if hashlib.sha256(octets).digest() != digest:
            raise ValueError("the floor measures good messages only")
    octets = etree.tostring(info, method="c14n", exclusive=True, with_comments=False)
    value = base64.b64decode(signature.findtext(DS + "SignatureValue"))
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(value, octets, padding.PKCS1v15(), hashes.SHA256())
    else:
        half = len(value) // 2
        der = encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))
        public_key.verify(der, octets, ec.ECDSA(hashes.SHA256()))


def signer_key(message: bytes) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """The key of the first certificate in a message."""
    root = etree.fromstring(message, etree.XMLParser(huge_tree=True))
    text = _SIGNATURE(root)[0].findtext(f"{DS}KeyInfo/{DS}X509Data/{DS}X509Certificate")
    key = x509.load_der_x509_certificate(base64.b64decode(text)).public_key()
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    return key


@dataclass
class Floor:
    """Somewhere to write."""

    folder: Path

    def __post_init__(self) -> None:
        self._connection = sqlite.connect(self.folder / "floor.sqlite3", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE wide (id INTEGER PRIMARY KEY, a, b, c, d, e, f, g, h, body)")
        self._connection.execute("CREATE INDEX wide_a ON wide (a)")
        self._number = 0

    def accept(self, message: bytes, recipients: int, public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> None:
        """What acceptance cannot do without."""
        verify(message, public_key)
        self._write_file(message)
        self._write_rows(recipients)

    def _write_file(self, message: bytes) -> None:
        self._number += 1
        descriptor = os.open(self.folder / f"{self._number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(descriptor, message)
        os.fsync(descriptor)
        os.close(descriptor)

    def _write_rows(self, recipients: int) -> None:
        """Message, document, file; two pieces of evidence and two tasks; a delivery and an event a recipient."""
        text = "x" * 60
        small = [(text,) * 8 + (None,)] * (6 + 2 * recipients)
        evidence = [(text,) * 8 + (b"x" * 5000,)] * 2
        insert = "INSERT INTO wide (a, b, c, d, e, f, g, h, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(insert, small + evidence)
        self._connection.execute("COMMIT")


@dataclass(frozen=True)
class Accepted:
    """How long it took to accept so many messages."""

    accepted: int
    seconds: float
    cpu_seconds: float


def accept_all(folder: Path, messages: Sequence[bytes], recipients: int) -> Accepted:
    """Accept them one after the other, in a process of their own."""
    key, least = signer_key(messages[0]), Floor(folder)
    began, cpu = time.perf_counter(), time.process_time()
    for message in messages:
        least.accept(message, recipients, key)
    return Accepted(len(messages), time.perf_counter() - began, time.process_time() - cpu)
