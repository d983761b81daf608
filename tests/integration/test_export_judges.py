"""Whoever has an export and xmlsec1, and not our software, checks every seal in it by the lines of its README."""

from __future__ import annotations

import io
import shlex
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc.export import layout
from tests.support.judges import JudgeAbsentError, program
from tests.support.pki import NOW
from tests.support.services import OFFICE, OTHER_WARD, WARD, letter, small_exchange, status

pytestmark = pytest.mark.integration

SIGNATURES, ANY_EVIDENCE = "signatures.xml", "evidence/TỆP.xml"


@pytest.fixture(scope="module")
def unzipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with a status of the exchange (01), of a recipient (03) and of the sender (13), and the root."""
    folder = tmp_path_factory.mktemp("export")
    with small_exchange(tmp_path_factory.mktemp("exchange")) as small:
        pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
        small.hand_over(pk, WARD)
        small.work()
        small.submit(status("03", letter()))
        small.submit(status("13", letter(), reporter=OFFICE, to=OTHER_WARD, description="Gửi nhầm"))
        with zipfile.ZipFile(io.BytesIO(small.export(pk, OFFICE))) as archive:
            archive.extractall(folder)
        (folder / "GỐC.pem").write_bytes(small.pki.root.certificate.public_bytes(Encoding.PEM))
    (folder / SIGNATURES).write_bytes((folder / "META-INF" / SIGNATURES).read_bytes())
    return folder


def commands(folder: Path) -> Iterator[list[str]]:
    """The commands of the README, whose lines go on where they are indented more."""
    text = (folder / layout.README).read_text(encoding="utf-8").partition("\n\n\n")[0]
    for part in text.split("    xmlsec1 ")[1:]:
        first, *more = part.splitlines()
        going_on = [each for each in more if each.strip().startswith("--")]
        yield shlex.split(" ".join([first, *going_on]))


def accepted(folder: Path, arguments: list[str], file: str) -> bool:
    at = ["--verification-gmt-time", f"{NOW:%Y-%m-%d %H:%M:%S}"]
    command = [program("xmlsec1"), arguments[0], *at, *arguments[1:-1], file]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False).returncode == 0


def test_every_seal_of_an_export_is_accepted_by_the_lines_of_its_readme(unzipped: Path) -> None:
    by_file = {each[-1]: each for each in commands(unzipped)}
    assert set(by_file) == {SIGNATURES, layout.MESSAGE, ANY_EVIDENCE}
    wanted = [(by_file[SIGNATURES], SIGNATURES), (by_file[layout.MESSAGE], layout.MESSAGE)]
    statuses = sorted(each.name for each in (unzipped / layout.STATUS).iterdir())
    assert [each.split("-")[1] for each in statuses] == ["01", "03", "13"]
    wanted += [(by_file[layout.MESSAGE], f"{layout.STATUS}{name}") for name in statuses]
    evidence = [each.name for each in (unzipped / layout.EVIDENCE).iterdir()]
    wanted += [(by_file[ANY_EVIDENCE], f"{layout.EVIDENCE}{name}") for name in evidence]
    try:
        refused = [file for arguments, file in wanted if not accepted(unzipped, arguments, file)]
    except JudgeAbsentError as error:
        pytest.skip(str(error))
    assert refused == []
    altered = unzipped / layout.STATUS / statuses[1]
    altered.write_bytes(altered.read_bytes().replace(b"StatusCode>03<", b"StatusCode>06<"))
    assert not accepted(unzipped, by_file[layout.MESSAGE], f"{layout.STATUS}{statuses[1]}")
