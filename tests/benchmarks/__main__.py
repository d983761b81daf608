"""``make bench``: floor and exchange on the same documents, in one run, as ratios.

Prints documents a second, CPU milliseconds a document and the ratio to the floor. Figures of different runs or
machines must not be compared, the ratios may.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import httpx
from lxml import etree

from api.config import usable_processors
from edoc.envelope.codec import decode
from edoc.envelope.limits import MessageLimits
from keys.authority import KeyAlgorithm
from keys.revocation import RevocationData
from keys.trust import PathValidator, TrustAnchors
from signing.parts import Base64Part, ElementPart, Part
from signing.xades.verifier import verify
from signing.xml import ParsedXml, parse
from tests.benchmarks import floor
from tests.support.homes import SENDER, Service, make_home, service

WARDS = 322
CONNECTIONS = 24
KIB, MIB = 1 << 10, 1 << 20
HUGE_MIB = 200
DAY = timedelta(days=1)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Case:
    """One kind of document."""

    attachment_bytes: int
    recipients: int
    count: int

    @property
    def name(self) -> str:
        """For the table."""
        is_large = self.attachment_bytes >= MIB
        size = f"{self.attachment_bytes // MIB} MiB" if is_large else f"{self.attachment_bytes // KIB} KiB"
        return f"{size}, {self.recipients} recipient{'s' if self.recipients > 1 else ''}"


CASES = (
    Case(10 * KIB, 1, 1500),
    Case(10 * KIB, 3, 3000),
    Case(10 * KIB, WARDS, 60),
    Case(MIB, 1, 120),
    Case(MIB, 3, 120),
    Case(MIB, WARDS, 40),
)


@dataclass(frozen=True)
class Rate:
    """How quick something was."""

    per_second: float
    cpu_milliseconds: float


class Bench:
    """One run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = make_home(folder / "home", wards=WARDS, sender_algorithm=KeyAlgorithm.RSA_2048)
        self._number = 0

    def run(self) -> None:
        """Measure everything and print it."""
        say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {machine()}")
        say()
        self._verification()
        say()
        heads = f"{'documents/s':>12}{'CPU ms':>9}{'floor/s':>10}{'CPU ms':>9}{'ratio':>8}"
        with service(self._home) as running:
            self._warm_up(running)
            title = f"acceptance through HTTP, {len(running.worker_processes()) - 1} processes"
            say(f"{title:38}{heads}")
            for case in CASES:
                self._acceptance(running, case)
            say()
            self._one_to_all(running)
            self._huge(running)

    def _verification(self) -> None:
        """A small message, path cached, against the floor: our verification with its parse alone, and all of judging.

        A message with a file of 600 bytes has 10 KB, since the certificates of the seal's path lie in it.
        """
        message = self._letter(Case(600, 1, 1))
        key = floor.signer_key(message)
        validator = PathValidator(
            TrustAnchors([self._home.authority.root]),
            RevocationData(self._home.authority.crls(at=_now() - timedelta(hours=1), next_update=_now() + DAY)),
        )

        def ours() -> None:
            document = parse(message, MessageLimits().xml)
            decoded = decode(document, MessageLimits())
            report = verify(document, decoded.signatures[0], decoded.parts, validator=validator, at=_now())
            if not report.passed:
                raise RuntimeError(report.findings)

        def verification_alone() -> None:
            document = parse(message, MessageLimits().xml)
            signature, parts = signed_parts(document)
            report = verify(document, signature, parts, validator=validator, at=_now())
            if not report.passed:
                raise RuntimeError(report.findings)

        least, alone, whole = best_of(lambda: floor.verify(message, key), verification_alone, ours)
        say(f"verification of a {len(message) / 1000:.1f} kB message, RSA-2048, cached path, one core")
        say(f"  floor                                {1 / least:10.0f}/s")
        say(f"  parse and verify its known parts     {1 / alone:10.0f}/s   {least / alone:.2f} of the floor")
        say(f"  with schema, rules and decoding      {1 / whole:10.0f}/s   {least / whole:.2f} of the floor")

    def _acceptance(self, running: Service, case: Case) -> None:
        files = self._letters(case)
        least = self._floor(case, files)
        ours = self._load(running, files)
        say(
            f"{case.name:38}{ours.per_second:12.0f}{ours.cpu_milliseconds:9.1f}"
            f"{least.per_second:10.0f}{least.cpu_milliseconds:9.1f}{ours.per_second / least.per_second:8.2f}"
        )

    def _floor(self, case: Case, files: list[Path]) -> Rate:
        """The floor on as many processors as the service has, each with a database and a folder of its own."""
        messages = [file.read_bytes() for file in files[: min(len(files), 300)]]
        processes = len(usable_processors())
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            done = [
                pool.submit(floor.accept_all, self._new_folder(), messages[each::processes], case.recipients)
                for each in range(processes)
            ]
            results = [each.result() for each in done]
        per_second = sum(each.accepted / each.seconds for each in results)
        return Rate(per_second, sum(each.cpu_seconds for each in results) / len(messages) * 1000)

    def _load(self, running: Service, files: list[Path]) -> Rate:
        token = self._folder / "token"
        token.write_text(self._home.tokens[SENDER])
        before = cpu_seconds(running)
        command = [sys.executable, "-m", "tests.benchmarks.load", running.url, str(token), str(files[0].parent)]
        done = subprocess.run([*command, str(CONNECTIONS)], check=True, capture_output=True, text=True)
        seconds = json.loads(done.stdout)["seconds"]
        return Rate(len(files) / seconds, (cpu_seconds(running) - before) / len(files) * 1000)

    def _warm_up(self, running: Service) -> None:
        self._load(running, self._letters(Case(10 * KIB, 3, 100)))

    def _one_to_all(self, running: Service) -> None:
        times = sorted(self._time_one(running, self._letter(Case(10 * KIB, WARDS, 1))) for _ in range(15))
        median, slowest = times[len(times) // 2] * 1000, times[-1] * 1000
        say(f"one document to {WARDS} recipients: median {median:.0f} ms, slowest {slowest:.0f} ms (goal 300 ms)")

    def _time_one(self, running: Service, message: bytes) -> float:
        began = time.perf_counter()
        answer = httpx.post(f"{running.url}/api/v1/messages", content=message, headers=self._headers(), timeout=60)
        seconds = time.perf_counter() - began
        answer.raise_for_status()
        return seconds

    def _huge(self, running: Service) -> None:
        content = HugeContent(HUGE_MIB * MIB)
        file = self._folder / "huge.edxml"
        self._number += 1
        with file.open("wb") as out:
            for chunk in self._home.letter(self._number, 3, content).encoded_chunks():
                out.write(chunk)
        began = time.perf_counter()
        with file.open("rb") as body:
            headers = {**self._headers(), "Content-Length": str(file.stat().st_size)}
            answer = httpx.post(f"{running.url}/api/v1/messages", content=body, headers=headers, timeout=300)
        answer.raise_for_status()
        seconds = time.perf_counter() - began
        peak = max(peak_mib(pid) for pid in running.worker_processes())
        say(
            f"one document with a {HUGE_MIB} MiB file: {seconds:.1f} s; the largest process had {peak:.0f} MiB"
            " at its peak (goal below 200)"
        )

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._home.tokens[SENDER]}", "Content-Type": "application/xml"}

    def _letter(self, case: Case) -> bytes:
        self._number += 1
        content = b"%PDF-1.7\n" + os.urandom(case.attachment_bytes - 9)
        return b"".join(self._home.letter(self._number, case.recipients, content).encoded_chunks())

    def _letters(self, case: Case) -> list[Path]:
        folder = self._new_folder()
        files = [folder / f"{number:06d}.edxml" for number in range(case.count)]
        for file in files:
            file.write_bytes(self._letter(case))
        return files

    def _new_folder(self) -> Path:
        """A folder that stays until all is measured.

        ext4 without a journal looks at each file that was removed in the last minutes whenever it makes a new one:
        removing what a case wrote would slow the next one down, by a tenth and more.
        """
        return Path(tempfile.mkdtemp(dir=self._folder))


@dataclass(frozen=True)
class HugeContent:
    """A file of any size that is nowhere."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        yield b"%PDF-1.7\n"
        left = self.size - 9
        block = bytes(range(256)) * 4096
        while left > 0:
            yield block[:left]
            left -= len(block)

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the bytes."""
        digest = hashlib.new(algorithm)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.digest()


def say(line: str = "") -> None:
    """One line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def signed_parts(document: ParsedXml) -> tuple[etree._Element, list[Part]]:
    """The seal of a letter with one file, and what it covers, by their fixed places."""
    envelope, encoded = document.root
    header, body = envelope
    message_header, traces, signature = header
    content = encoded[0][-1]
    return signature, [
        ElementPart("MessageHeader", message_header),
        ElementPart("Bussiness", traces[0]),
        ElementPart("edXMLManifest", body[0]),
        Base64Part(content.get("Id", ""), content),
    ]


def best_of(*actions: Callable[[], None], rounds: int = 7, repeats: int = 150) -> list[float]:
    """CPU seconds of one call of each, the best of several interleaved rounds."""
    best = [float("inf")] * len(actions)
    for action in actions:
        action()
    for _ in range(rounds):
        for number, action in enumerate(actions):
            began = time.process_time()
            for _ in range(repeats):
                action()
            best[number] = min(best[number], (time.process_time() - began) / repeats)
    return best


def cpu_seconds(running: Service) -> float:
    """What all processes of the service have used so far, user and system."""
    total = 0
    for pid in running.worker_processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def peak_mib(pid: int) -> float:
    """The most resident memory a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / KIB
    return 0.0


def machine() -> str:
    """What this ran on."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return f"{cpu.partition(': ')[2]}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="edoc-bench-") as bench_folder:
        Bench(Path(bench_folder)).run()
