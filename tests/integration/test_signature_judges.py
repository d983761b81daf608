"""xmlsec1 and the JDK accept what we sign, for every algorithm and every hard shape, and refuse it after a change.

One JVM judges all files of the module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc.envelope.model import Message
from edoc.evidence.issuer import EvidenceIssuer
from edoc.evidence.model import Evidence, EvidenceType, MessageKind, Party
from edoc.sealing import seal_message
from keys.store import DigestAlgorithm
from signing.algorithms import SignatureAlgorithm
from signing.asice import ContainerFile, SourceStream, write_container
from signing.xml import MemorySource
from tests.support import judges, messages
from tests.support.edxml_shapes import SHAPES, big_content, letter, sign_letter, spliced, written
from tests.support.signing_keys import SIGNING_TIME, PlainKey, root_certificate, root_pem, signing_key

pytestmark = pytest.mark.integration

KEYS = {
    SignatureAlgorithm.RSA_SHA256: "RSA-2048",
    SignatureAlgorithm.RSA_SHA384: "RSA-3072",
    SignatureAlgorithm.RSA_SHA512: "RSA-4096",
    SignatureAlgorithm.ECDSA_SHA256: "P-256",
    SignatureAlgorithm.ECDSA_SHA384: "P-384",
    SignatureAlgorithm.ECDSA_SHA512: "P-384",
}
MORE_THAN_10_MB = "more than 10 MB"
TWO_SIGNATURES = "two signatures"
CASES = (*SHAPES, MORE_THAN_10_MB, TWO_SIGNATURES)
SPLICED = tuple(case for case in CASES if case not in {MORE_THAN_10_MB, "CDATA around base64"})
"""Both judges overlook CDATA sections in their base64 transform (text nodes only); we write such contents as text."""
CHANGES = {
    "header": (b"<edXML:OrganId>H29.901<", b"<edXML:OrganId>H29.902<"),
    "business": (b"<edXML:BussinessDocType>0<", b"<edXML:BussinessDocType>1<"),
    "manifest": (b'version="1.0"', b'version="1.1"'),
    "attachment": (b"S8OtbmggZ", b"S8OtbmggY"),
    "signing time": (b"2026-03-02T01:15:00Z", b"2026-03-02T01:15:01Z"),
    "role": ("Văn thư &amp; lưu".encode(), "Văn thư &amp; lưv".encode()),
}
"""What is covered by each reference: bytes in the file, and the same with one of them changed."""

EVIDENCE_KEYS = ("RSA-2048", "RSA-4096", "P-256", "P-384")
ISSUER = Party("H29", 'Trục liên thông "văn bản" <Thành phố> & 100%s')
STATEMENT = Evidence(
    identifier=UUID("01900000-0000-7000-8000-000000000001"),
    type=EvidenceType.CONTENT_CONSIGNMENT,
    event_time=SIGNING_TIME,
    issuer=ISSUER,
    sender=Party("H29.1", "Văn phòng\r\n\tỦy ban", 7),
    recipients=(Party("H29.31", "Ủy ban nhân dân Phường 1", 3),),
    message_kind=MessageKind.DOCUMENT,
    document_id="H29.1,2026,%d &amp; %%",
    message_size=10_240,
    message_sha256="ab" * 32,
    previous_sha256="cd" * 32,
)
EVIDENCE_CHANGES = ((b"H29.31", b"H29.32"), (b"2026-03-02T01:15:00Z", b"2026-03-02T01:15:01Z"))
"""The statement, and the signing time among the signed properties."""


@dataclass(frozen=True)
class Verdicts:
    """What both judges say of a file."""

    xmlsec1: str
    jdk: str


class Corpus:
    """The files of this module, judged at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root_pem = folder / "root.pem"
        self.root_der = folder / "root.der"
        self.root_pem.write_bytes(root_pem())
        self.root_der.write_bytes(root_certificate().public_bytes(Encoding.DER))
        self.verdicts: dict[str, Verdicts] = {}
        self._names: list[str] = []

    def add(self, name: str, data: bytes) -> None:
        self._path(len(self._names)).write_bytes(data)
        self._names.append(name)

    def judge(self) -> None:
        files = {name: self._path(number) for number, name in enumerate(self._names)}
        by_jdk = judges.jdk(files.values(), trusted=self.root_der)
        with ThreadPoolExecutor(max_workers=2) as pool:
            by_xmlsec1 = pool.map(lambda file: judges.xmlsec1(file, trusted=self.root_pem), files.values())
            for (name, file), said in zip(files.items(), by_xmlsec1, strict=True):
                self.verdicts[name] = Verdicts(said, by_jdk[file])

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:04}.xml"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    try:
        judges.program("xmlsec1")
        judges.program("javac")
    except judges.JudgeAbsentError as absent:
        pytest.skip(f"{absent}: nobody else can judge our signatures")
    made = Corpus(tmp_path_factory.mktemp("signed"))
    for algorithm, kind in KEYS.items():
        _add_all(made, algorithm, signing_key(kind))
    for kind in EVIDENCE_KEYS:
        body = EvidenceIssuer(ISSUER, signing_key(kind)).seal(STATEMENT).body
        made.add(f"evidence/{kind}", body)
        for old, new in EVIDENCE_CHANGES:
            made.add(f"evidence/{kind}/{old.decode()}", _changed(body, old, new))
    made.judge()
    return made


def _add_all(corpus: Corpus, algorithm: SignatureAlgorithm, key: PlainKey) -> None:
    for case in CASES:
        keys = [key, signing_key("P-256", 7)] if case == TWO_SIGNATURES else [key]
        data = _letter(case)
        document = sign_letter(data, *keys, digest=algorithm.digest)
        whole = written(document)
        corpus.add(_name(algorithm, case), whole)
        if case == MORE_THAN_10_MB:
            corpus.add(_name(algorithm, case, "attachment"), _changed_in_the_middle(whole))
            continue
        if case in SPLICED:
            corpus.add(_name(algorithm, case, "spliced"), spliced(data, document))
        for change in _changes(algorithm, case):
            corpus.add(_name(algorithm, case, change), _changed(whole, *CHANGES[change]))


def _changes(algorithm: SignatureAlgorithm, case: str) -> tuple[str, ...]:
    """Two changes for each pair, going round, so that each change meets each algorithm and each shape."""
    if case == MORE_THAN_10_MB:
        return ("attachment",)
    names = list(CHANGES)
    at = list(KEYS).index(algorithm) + CASES.index(case)
    return names[at % len(names)], names[(at + 3) % len(names)]


def _letter(case: str) -> bytes:
    match case:
        case "more than 10 MB":
            return letter(root=' xml:lang="vi"', content=big_content())
        case "two signatures":
            return SHAPES["xml:lang"]
        case _:
            return SHAPES[case]


def _name(algorithm: SignatureAlgorithm, case: str, variant: str = "") -> str:
    return f"{algorithm.name}/{case}/{variant}"


def _changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def _changed_in_the_middle(data: bytes) -> bytes:
    middle = len(data) // 2
    other = b"A" if data[middle : middle + 1] != b"A" else b"B"
    return data[:middle] + other + data[middle + 1 :]


def test_every_algorithm_offered_is_in_the_matrix() -> None:
    assert set(KEYS) == set(SignatureAlgorithm)
    assert {algorithm.digest for algorithm in KEYS} == set(DigestAlgorithm)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_both_judges_accept_what_we_sign(corpus: Corpus, algorithm: SignatureAlgorithm, case: str) -> None:
    assert corpus.verdicts[_name(algorithm, case)] == Verdicts("OK", "OK")


@pytest.mark.parametrize("case", SPLICED)
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_both_judges_accept_the_letter_as_it_was_with_our_signature_put_in(
    corpus: Corpus, algorithm: SignatureAlgorithm, case: str
) -> None:
    assert corpus.verdicts[_name(algorithm, case, "spliced")] == Verdicts("OK", "OK")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_both_judges_refuse_every_letter_with_one_byte_changed(
    corpus: Corpus, algorithm: SignatureAlgorithm, case: str
) -> None:
    verdicts = {change: corpus.verdicts[_name(algorithm, case, change)] for change in _changes(algorithm, case)}
    accepted = {change: said for change, said in verdicts.items() if "OK" in (said.xmlsec1, said.jdk)}
    assert not accepted


@pytest.mark.parametrize("kind", EVIDENCE_KEYS)
def test_both_judges_accept_the_evidence_that_is_sealed_as_text_and_refuse_it_changed(
    corpus: Corpus, kind: str
) -> None:
    assert corpus.verdicts[f"evidence/{kind}"] == Verdicts("OK", "OK")
    for old, _ in EVIDENCE_CHANGES:
        changed = corpus.verdicts[f"evidence/{kind}/{old.decode()}"]
        assert "OK" not in {changed.xmlsec1, changed.jdk}, old


# --- containers ----------------------------------------------------------------------------------------------------

CONTAINER_FILES = {
    "message.edxml": SHAPES["CR/LF"],
    "attachments/Giấy mời (1) & 100%+.txt": "Kính gửi".encode(),
    "attachments/a'b;c=d,e@f!#g?h.txt": b"",
    "evidence/0001-SubmissionAcceptance.xml": b"<Evidence/>",
}


@pytest.fixture
def unzipped(tmp_path: Path, corpus: Corpus) -> Path:
    """A container taken apart by ``unzip``, with its signatures copied beside the files."""
    try:
        unzip = judges.program("unzip")
    except judges.JudgeAbsentError as absent:
        pytest.skip(str(absent))
    archive = tmp_path / "export.asice"
    files = [
        ContainerFile(name, "text/plain", SourceStream(MemorySource(data))) for name, data in CONTAINER_FILES.items()
    ]
    with archive.open("wb") as out:
        write_container(out, files, key=signing_key("RSA-2048"), signing_time=SIGNING_TIME)
    folder = tmp_path / "unzipped"
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run([unzip, "-q", str(archive), "-d", str(folder)], check=True, env=environment)
    shutil.copy(folder / "META-INF" / "signatures.xml", folder / "signatures.xml")
    return folder


def test_unzip_and_xmlsec1_alone_check_a_container(unzipped: Path, corpus: Corpus) -> None:
    assert {name: (unzipped / name).read_bytes() for name in CONTAINER_FILES} == CONTAINER_FILES
    assert judges.xmlsec1(unzipped / "signatures.xml", trusted=corpus.root_pem) == "OK"


@pytest.mark.parametrize("name", [name for name, data in CONTAINER_FILES.items() if data])
def test_xmlsec1_refuses_a_container_with_one_byte_changed(unzipped: Path, corpus: Corpus, name: str) -> None:
    changed = bytearray(CONTAINER_FILES[name])
    changed[len(changed) // 2] ^= 1
    (unzipped / name).write_bytes(changed)
    assert judges.xmlsec1(unzipped / "signatures.xml", trusted=corpus.root_pem) != "OK"


def test_jdk_checks_a_container_and_refuses_it_changed(unzipped: Path, corpus: Corpus, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(unzipped, changed)
    (changed / "message.edxml").write_bytes(SHAPES["plain"])
    both = [unzipped / "signatures.xml", changed / "signatures.xml"]
    assert list(judges.jdk(both, trusted=corpus.root_der).values()) == ["OK", "signature 1 is not valid"]


def test_unzip_finds_no_fault_in_a_container(tmp_path: Path) -> None:
    try:
        unzip = judges.program("unzip")
    except judges.JudgeAbsentError as absent:
        pytest.skip(str(absent))
    archive = tmp_path / "export.asice"
    with archive.open("wb") as out:
        file = ContainerFile("a.txt", "text/plain", SourceStream(MemorySource(b"a")))
        write_container(out, [file], key=signing_key(), signing_time=SIGNING_TIME)
    done = subprocess.run([unzip, "-t", str(archive)], capture_output=True, text=True, check=False)
    assert (done.returncode, "No errors detected" in done.stdout) == (0, True)


def test_both_accept_a_sealed_status_and_a_sealed_letter_and_refuse_them_changed(
    corpus: Corpus, tmp_path: Path
) -> None:
    files: dict[str, Path] = {}
    made: dict[str, Message] = {"status": messages.status(), "letter": messages.document()}
    for name, message in made.items():
        sealed = b"".join(seal_message(message, signing_key(), SIGNING_TIME).encoded_chunks())
        assert b"ClaimedRole>" in sealed
        files[name] = tmp_path / f"{name}.edxml"
        files[name].write_bytes(sealed)
        altered = files[f"altered {name}"] = tmp_path / f"altered-{name}.edxml"
        altered.write_bytes(sealed.replace(b"-agency<", b"-Agency<"))
    by_jdk = judges.jdk(files.values(), trusted=corpus.root_der)
    for name, file in files.items():
        by_xmlsec1 = judges.xmlsec1(file, trusted=corpus.root_pem)
        assert (by_jdk[file] == "OK") is (by_xmlsec1 == "OK") is (not name.startswith("altered"))
