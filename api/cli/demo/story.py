"""The story, step by step: send, take over, answer, audit, tamper. Each step is checked.

Everything between agencies and exchange goes through its HTTP service, with each agency's own token and key.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from api.cli.demo.narrator import Narrator
from api.cli.demo.papers import Paper, write_invitation, write_letter
from api.cli.demo.service import RunningExchange
from api.cli.demo.stage import HOME_AFFAIRS, OFFICE, Actor, Stage
from api.cli.demo.tampering import ChangedByte, damaged_object, forge_copy
from api.cli.drafts import document_message, media_types, sealed, status_message
from api.cli.files import new_file, write_new
from api.cli.language import Text
from api.cli.service import child_environment, edoc_command
from api.cli.trusted import read_audit_trust
from api.client import Client, FileUpload, RefusedByExchangeError, SubmissionReceipt
from edoc.audit.files import verify_file
from edoc.audit.model import AuditReport, AuditTime, AuditTrust, CheckName, Outcome
from signing.xml import FileSource

THREADS: Final = 4
ACCEPTED: Final = "03"
REFUSED: Final = "02"
REFUSAL: Final = "Văn bản gửi nhầm địa bàn, đề nghị Sở Nội vụ kiểm tra lại"


@dataclass(frozen=True)
class Sent:
    """A document on its way."""

    paper: Paper
    receipt: SubmissionReceipt
    recipients: tuple[Actor, ...]


@dataclass(frozen=True)
class Answered:
    """What one agency did with a document."""

    actor: Actor
    code: str
    message_sha256: str
    file_is_good: bool
    """Whether the file that it fetched, the letter or the meeting, has the digest that was announced."""


@dataclass
class Story:
    """Plays the parts of all agencies and of the auditor."""

    stage: Stage
    exchange: RunningExchange
    narrator: Narrator
    exports: list[Path] = field(default_factory=list)

    def play(self) -> None:
        """All chapters, in their order.

        Raises:
            ClientError, EdocError, KeysError, OSError: a step could not even be tried.
        """
        letter = self._send_letter()
        invitation = self._send_invitation()
        self._answer_letter(letter)
        self._answer_invitation(invitation)
        self._audit([letter, invitation])
        self._forge_export(letter)
        self._damage_archive(letter)

    @contextmanager
    def _client(self, actor: Actor) -> Iterator[Client]:
        with Client(self.exchange.url, actor.token) as client:
            yield client

    def _send_letter(self) -> Sent:
        title = Text(
            "Văn phòng UBND Thành phố ký số và gửi thông báo",
            "The city's office seals a letter and sends it",
        )
        recipients = self.stage.of_kind("department", "district")
        office = self.stage.actors[OFFICE]
        with self.narrator.chapter("letter", title), self._client(office) as client:
            now = datetime.now(UTC)
            paper = write_letter(office.folder / "outbox", recipients, now)
            self.narrator.check(
                Text("Thông báo 123/TB-VP, tệp PDF theo Nghị định 30", "Letter 123/TB-VP: a PDF as in Decree 30"),
                str(paper.letter.files[0]),
                held=paper.letter.files[0].read_bytes().startswith(b"%PDF-"),
            )
            message = document_message(paper.letter, office.code, self.stage.contacts, now)
            path = office.folder / "outbox" / "123-TB-VP.edxml"
            with new_file(path) as file:
                file.writelines(sealed(message, office.key, now))
            receipt = client.submit(path)
            self._check_receipt(receipt, office.folder / "outbox" / "123-TB-VP.receipt.xml", len(recipients))
            again = client.submit(path)
            self.narrator.check(
                Text("Gửi lại lần nữa: đúng biên nhận cũ, từng byte", "Sent again: the same receipt, byte for byte"),
                held=again.replayed and again.evidence == receipt.evidence,
            )
        return Sent(paper, receipt, recipients)

    def _send_invitation(self) -> Sent:
        title = Text(
            "Sở Nội vụ gửi giấy mời họp (trục giữ con dấu của Sở và ký thay)",
            "The Department of Home Affairs sends an invitation (the exchange holds its seal)",
        )
        wards = self.stage.of_kind("ward")
        department = self.stage.actors[HOME_AFFAIRS]
        with self.narrator.chapter("invitation", title), self._client(department) as client:
            paper = write_invitation(department.folder / "outbox", wards, datetime.now(UTC))
            files = paper.letter.files
            self.narrator.check(
                Text(
                    "Giấy mời 15/GM-SNV: tệp PDF và lịch họp .ics",
                    "Invitation 15/GM-SNV: a PDF and an .ics",
                ),
                ", ".join(path.name for path in files),
                held=b"METHOD:REQUEST" in files[1].read_bytes(),
            )
            uploads = [FileUpload(each.name, kind, each) for each, kind in zip(files, media_types(files), strict=True)]
            receipt = client.submit_files(paper.letter.metadata(), uploads)
            self._check_receipt(receipt, department.folder / "outbox" / "15-GM-SNV.receipt.xml", len(wards))
        return Sent(paper, receipt, wards)

    def _check_receipt(self, receipt: SubmissionReceipt, path: Path, recipients: int) -> None:
        write_new(path, receipt.evidence)
        self.narrator.check(
            Text(
                f"Trục tiếp nhận, đặt vào hộp thư của {recipients} đơn vị",
                f"Taken on and consigned to {recipients} agencies",
            ),
            held=len(receipt.recipients) == recipients and not receipt.replayed,
        )
        self.narrator.check(
            Text("Biên nhận có chữ ký của trục, kiểm tra ngoại tuyến: tốt", "The receipt, checked offline: good"),
            held=self._verify(path).verdict is Outcome.GOOD,
        )

    def _answer_letter(self, letter: Sent) -> None:
        count = len(letter.recipients)
        title = Text(f"{count} sở, quận, huyện nhận thông báo", f"{count} agencies take the letter over")
        with self.narrator.chapter("letter_answers", title):
            answers = self._answer_all(letter, lambda _: (ACCEPTED, None))
            self._check_answers(letter, answers)

    def _answer_invitation(self, invitation: Sent) -> None:
        count = len(invitation.recipients)
        refusing = invitation.recipients[-1]
        title = Text(f"{count} phường, xã, thị trấn nhận giấy mời", f"{count} wards take the invitation over")
        with self.narrator.chapter("invitation_answers", title):
            answers = self._answer_all(
                invitation, lambda ward: (REFUSED, REFUSAL) if ward is refusing else (ACCEPTED, None)
            )
            self._check_answers(invitation, answers)
            known = self._seen_by_sender(invitation)
            state = next(each["state"] for each in known["deliveries"] if each["recipientCode"] == refusing.code)
            self.narrator.check(
                Text("Một đơn vị từ chối (02), nơi gửi thấy lý do", "One ward refuses (02), and the sender sees why"),
                f"{refusing.name}: {REFUSAL}",
                held=state == REFUSED and REFUSAL in self._reasons(invitation),
            )

    def _answer_all(self, sent: Sent, decide: Callable[[Actor], tuple[str, str | None]]) -> list[Answered]:
        """Let every recipient take the document over and answer, a few at a time."""
        output = self.narrator.output
        with (
            output.progress(output.say(Text("nhận, trả lời", "answering")), len(sent.recipients)) as done,
            ThreadPoolExecutor(THREADS) as pool,
        ):
            answers = []
            for answer in pool.map(lambda actor: self._answer(sent, actor, *decide(actor)), sent.recipients):
                answers.append(answer)
                done(1)
            return answers

    def _answer(self, sent: Sent, actor: Actor, code: str, description: str | None) -> Answered:
        """What a recipient's program does: look into the inbox, fetch, compare digests, seal an answer, send it."""
        with self._client(actor) as client:
            inbox = client.inbox(state="consigned", limit=10)
            item = next(each for each in inbox.items if each["documentId"] == sent.receipt.document_id)
            document = str(item["document"])
            known = client.document(document)
            folder = actor.folder / "inbox"
            folder.mkdir(mode=0o700, exist_ok=True)
            with new_file(folder / f"{sent.paper.letter.number}-{sent.paper.letter.notation}.edxml") as file:
                digest = _fetch(lambda out: client.fetch_message(document, out), file)
            good = _is_announced(client, document, known["attachments"][-1])
            now = datetime.now(UTC)
            report = status_message(known, code, (actor.code, actor.name), str(known["senderCode"]), now, description)
            client.submit_status(b"".join(sealed(report, actor.key, now)))
            return Answered(actor, code, digest, good)

    def _check_answers(self, sent: Sent, answers: Sequence[Answered]) -> None:
        count, file = len(sent.recipients), sent.paper.letter.files[-1].name
        self.narrator.check(
            Text(f"{count} đơn vị nhận đúng thông điệp gốc, từng byte", f"{count} got the very bytes that were sent"),
            held={each.message_sha256 for each in answers} == {sent.receipt.message_sha256},
        )
        self.narrator.check(
            Text(f"{count} tệp {file} đúng mã băm", f"{count} times {file} with the digest announced"),
            held=all(each.file_is_good for each in answers),
        )
        first = answers[0].actor
        path = first.folder / "inbox" / f"{sent.paper.letter.number}-{sent.paper.letter.notation}.edxml"
        self.narrator.check(
            Text("Chữ ký số của nơi gửi, nơi nhận tự kiểm tra: tốt", "The sender's seal, checked by a recipient: good"),
            held=self._verify(path).verdict is Outcome.GOOD,
        )
        states = Counter(str(each["state"]) for each in self._seen_by_sender(sent)["deliveries"])
        wanted = Counter(each.code for each in answers)
        self.narrator.check(
            Text(
                f"Nơi gửi thấy: {wanted[ACCEPTED]} đã tiếp nhận (03), {wanted[REFUSED]} từ chối (02)",
                f"The sender sees: {wanted[ACCEPTED]} accepted (03), {wanted[REFUSED]} refused (02)",
            ),
            held=states == wanted,
        )

    def _seen_by_sender(self, sent: Sent) -> Mapping[str, Any]:
        with self._client(self.stage.actors[sent.paper.sender]) as client:
            return client.document(sent.receipt.document)

    def _reasons(self, sent: Sent) -> set[str]:
        with self._client(self.stage.actors[sent.paper.sender]) as client:
            return {str(each["description"]) for each in client.statuses(sent.receipt.document)}

    def _audit(self, documents: Sequence[Sent]) -> None:
        title = Text(
            "Thanh tra xuất gói chứng cứ và kiểm tra, không cần máy chủ",
            "An auditor exports and checks offline",
        )
        with self.narrator.chapter("audit", title), Client(self.exchange.url, self.stage.auditor_token) as client:
            for sent in documents:
                letter = sent.paper.letter
                path = self.stage.auditor / f"{letter.number}-{letter.notation}.asice"
                with new_file(path) as file:
                    client.export(sent.receipt.document, file)
                self.exports.append(path)
                size = f"{path.stat().st_size / 1e6:.1f} MB"
                self.narrator.check(
                    Text(f"Xuất {path.name} ({size})", f"Exported {path.name} ({size})"), held=path.stat().st_size > 0
                )
                report = self._verify(path)
                self._tell_trust_list(report)
                seals = _count(report, CheckName.EVIDENCE_SEAL, CheckName.STATUS_SEAL, CheckName.MESSAGE_SEAL)
                links = _count(report, CheckName.EVIDENCE_LINK, CheckName.STATUS_LINK)
                self.narrator.check(
                    Text(
                        f"Tốt: {seals} chữ ký số, {links} mắt xích, không thiếu gì",
                        f"Good: {seals} seals, {links} links of the chain, nothing missing",
                    ),
                    held=report.verdict is Outcome.GOOD and seals > 2 * len(sent.recipients),
                )

    def _tell_trust_list(self, report: AuditReport) -> None:
        """That the seals of the exchange are believed because the signed trust list names them."""
        trust_list = self._trust().trust_list
        sealed = [each for each in report.checks if each.name in (CheckName.CONTAINER_SEAL, CheckName.EVIDENCE_SEAL)]
        number = trust_list.sequence if trust_list else 0
        self.narrator.check(
            Text(
                f"Con dấu của trục có trong danh sách tin cậy số {number}, đã ký",
                f"The exchange's seal is in its signed trust list, number {number}",
            ),
            held=trust_list is not None
            and len(sealed) > 1
            and all(f"trust list {number} names it" in each.reason for each in sealed),
        )

    def _forge_export(self, sent: Sent) -> None:
        title = Text(
            "Kẻ gian sửa một byte trong bản sao gói chứng cứ", "A forger changes one byte in a copy of an export"
        )
        with self.narrator.chapter("forged_copy", title):
            original = self.exports[0]
            copy = original.with_name(f"{original.stem}-forged.asice")
            changed = forge_copy(original, copy, "message.edxml")
            self._tell_byte(changed)
            report = self._verify(copy)
            bad = [check for check in report.checks if check.outcome is Outcome.BAD]
            found = next((check for check in bad if check.subject == "message.edxml"), None)
            self.narrator.check(
                Text("edoc verify: SAI, và chỉ đúng tệp bị sửa", "edoc verify: BAD, and it names the file"),
                f"{found.subject}: {found.reason}" if found else "",
                held=report.verdict is Outcome.BAD and found is not None,
            )
            self.narrator.check(
                Text("Bản gốc vẫn tốt", "The original is still good"),
                held=self._verify(original).verdict is Outcome.GOOD,
            )
            del sent

    def _damage_archive(self, sent: Sent) -> None:
        title = Text("Một byte trong chính kho lưu trữ bị đổi", "One byte in the archive itself is changed")
        with self.narrator.chapter("damaged_archive", title):
            archive = self.stage.settings.archive_folder
            with damaged_object(archive, sent.receipt.message_sha256) as changed:
                self._tell_byte(changed)
                code, found = self._doctor()
                self.narrator.check(
                    Text("edoc doctor --deep: tìm ra đối tượng bị đổi", "edoc doctor --deep: finds the object"),
                    found,
                    held=code == 1 and sent.receipt.message_sha256 in found,
                )
                self.narrator.check(
                    Text("Trục không trao bản bị đổi cho ai", "The exchange hands the altered bytes to nobody"),
                    held=self._is_refused(sent),
                )
            code, found = self._doctor()
            self.narrator.check(
                Text("Khôi phục byte cũ: kho lưu trữ lại nguyên vẹn", "The byte put back: the archive is whole again"),
                found,
                held=code == 0,
            )

    def _tell_byte(self, changed: ChangedByte) -> None:
        self.narrator.tell(
            Text("{where}, byte {offset}: {before} → {after}", "{where}, byte {offset}: {before} → {after}"),
            where=changed.where,
            offset=changed.offset,
            before=f"{changed.before:02x}",
            after=f"{changed.after:02x}",
        )

    def _doctor(self) -> tuple[int, str]:
        """Run the real command; its exit code, and what it says of the archive's objects."""
        port = self.exchange.url.rpartition(":")[2]
        done = subprocess.run(  # noqa: S603 -- this very program
            [*edoc_command(), "doctor", "--deep", "--json", "--home", str(self.stage.settings.home)],
            env={**child_environment(), "EDOC_PORT": port},
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            checks = json.loads(done.stdout)["checks"]
        except (ValueError, KeyError):
            return done.returncode, done.stderr
        wrong = [each for each in checks if each["outcome"] == "bad"]
        told = wrong or [each for each in checks if each["name"] == "archive_objects"]
        return done.returncode, "; ".join(str(each["detail"]) for each in told)

    def _is_refused(self, sent: Sent) -> bool:
        with Client(self.exchange.url, self.stage.auditor_token) as client:
            try:
                client.fetch_message(sent.receipt.document, io.BytesIO())
            except RefusedByExchangeError as error:
                return error.kind == "archive-damaged"
        return False

    def _verify(self, path: Path) -> AuditReport:
        """What ``edoc verify`` finds: with the trust folder only, and without the service."""
        return verify_file(FileSource.of(path), path.name, self._trust(), AuditTime(datetime.now(UTC), given=False))

    def _trust(self) -> AuditTrust:
        return read_audit_trust(self.stage.settings.trust_folder, datetime.now(UTC))


class _Digesting(io.RawIOBase):
    """Takes bytes, hands them on where there is a file, and knows their digest."""

    def __init__(self, file: Any = None) -> None:  # noqa: ANN401 -- any binary file
        super().__init__()
        self._file = file
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 -- any buffer
        """Take bytes."""
        self.digest.update(data)
        if self._file is not None:
            self._file.write(data)
        return len(data)


def _fetch(load: Callable[[Any], None], file: Any = None) -> str:  # noqa: ANN401 -- any binary file
    """Load something and tell its SHA-256."""
    out = _Digesting(file)
    load(out)
    return out.digest.hexdigest()


def _is_announced(client: Client, document: str, attachment: Mapping[str, Any]) -> bool:
    """Whether a file that is fetched has the digest that the exchange announced."""
    position = int(attachment["position"])
    return _fetch(lambda out: client.fetch_attachment(document, position, out)) == str(attachment["sha256"])


def _count(report: AuditReport, *names: CheckName) -> int:
    return sum(check.name in names and check.outcome is Outcome.GOOD for check in report.checks)
