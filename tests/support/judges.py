"""Programs by others that say what they think of our signatures: xmlsec1 (libxmlsec, C) and the JDK (Apache Santuario).

A signature counts as right only when both accept it. Each runner raises :class:`JudgeAbsentError` where its program
is not installed, and the tests skip with that reason.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from lxml import etree

_JAVA_SOURCE = Path(__file__).with_name("JudgeXmlSignature.java")
_SIGNATURES = etree.XPath("//ds:Signature", namespaces={"ds": "http://www.w3.org/2000/09/xmldsig#"})
_TIMEOUT_SECONDS = 120


class JudgeAbsentError(Exception):
    """The program that should judge is not installed."""


def program(*names: str) -> str:
    """The path of the first program found."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise JudgeAbsentError(f"{' or '.join(names)} is not installed")


def xmlsec1(file: Path, *, trusted: Path, moment: str = "2026-03-02 02:00:00") -> str:
    """``OK`` when xmlsec1 accepts every signature in ``file`` with a path to the root in ``trusted``, else its words.

    Run in the folder of the file, so that relative references find the files beside it.
    """
    judge = program("xmlsec1")
    tree = etree.parse(file, etree.XMLParser(huge_tree=True))
    carriers = sorted({etree.QName(element).localname for element in tree.iter(etree.Element) if element.get("Id")})
    identified = [option for name in carriers for option in ("--id-attr:Id", name)]
    count = len(_signatures(tree))
    for number in range(1, count + 1):
        start = ["--node-xpath", f"(//*[local-name()='Signature'])[{number}]"]
        known = ["--trusted-pem", str(trusted.resolve()), "--verification-gmt-time", moment]
        words = _run([judge, "--verify", *known, *identified, *start, file.name], folder=file.parent)
        if words is not None:
            return f"signature {number}: {words}"
    return "OK" if count else "no signature"


def _signatures(tree: etree._ElementTree) -> list[etree._Element]:
    found = _SIGNATURES(tree)
    assert isinstance(found, list)
    return found


def _run(command: Sequence[str], *, folder: Path) -> str | None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    return None if done.returncode == 0 else (done.stdout + done.stderr).strip()


def jdk(files: Iterable[Path], *, trusted: Path) -> dict[Path, str]:
    """``OK`` for each file whose signatures the JDK accepts with secure validation on, else why not; one JVM for all.

    Each certificate must have been issued by the root in ``trusted``.
    """
    program("javac")  # the JDK's compiler, which a mere runtime does not have
    named = {str(file): file for file in files}
    done = subprocess.run(
        [program("java"), "-Xmx1g", "-Dfile.encoding=UTF-8", str(_JAVA_SOURCE), str(trusted)],
        input="\n".join(named),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=True,
    )
    verdicts = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    return {file: verdicts[path] for path, file in named.items()}
