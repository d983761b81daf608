"""With which certificates an agency may be let seal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from keys.authority import DemonstrationAuthority
from keys.memory import MemoryKey
from tests.support.pki import NOW, Pki
from tests.unit.api.cli.conftest import Edoc

AGENCIES = "code,old_code,parent_code,kind,name,name_en\nH1,0.1,,city,Thành phố,City\nH1.1,0.1.1,H1,office,Văn phòng,\n"
Issue = Callable[[DemonstrationAuthority], MemoryKey]


@pytest.fixture
def bound_home(edoc: Edoc, tmp_path: Path) -> str:
    """The home of an exchange with two agencies."""
    home, agencies = str(tmp_path / "home"), tmp_path / "agencies.csv"
    agencies.write_text(AGENCIES, encoding="utf-8")
    edoc("init", "--home", home, "--agencies", str(agencies))
    return home


@pytest.fixture(scope="module")
def authority() -> DemonstrationAuthority:
    return DemonstrationAuthority.in_memory(at=NOW, name="edoc tests")


def written(folder: Path, key: MemoryKey) -> str:
    file = folder / "seal.pem"
    file.write_bytes(key.certificate.public_bytes(Encoding.PEM))
    return str(file)


@pytest.mark.parametrize("code", ["H1.1", "h1.1", "0.1.1"])
def test_a_seal_that_names_the_agency_by_its_own_or_its_old_code_is_bound(
    edoc: Edoc, bound_home: str, tmp_path: Path, authority: DemonstrationAuthority, code: str
) -> None:
    seal = written(tmp_path, authority.issue_seal(code, "Văn phòng", at=NOW))
    assert edoc.json("directory", "bind", "H1.1", seal, "--home", bound_home)["code"] == "H1.1"


def test_a_seal_that_names_no_agency_is_bound(edoc: Edoc, bound_home: str, tmp_path: Path) -> None:
    pki = Pki()
    seal = written(tmp_path, pki.certificate("Văn phòng", issuer=pki.issuing))
    assert edoc.json("directory", "bind", "H1.1", seal, "--home", bound_home)["code"] == "H1.1"


@pytest.mark.parametrize(
    ("issue", "told"),
    [
        (lambda by: by.issue_officer("Nguyễn Văn A", "H1.1", "Văn phòng", at=NOW), "an officer's certificate"),
        (lambda by: by.issue_exchange_seal("Trục", at=NOW, code="H1.1"), "the seal of an exchange"),
        (lambda by: by.issue_trust_list_signer("Trục", at=NOW), "the signature of a trust list"),
        (lambda by: by.issue_seal("H1", "Thành phố", at=NOW), "names the agency H1, not H1.1"),
        (lambda by: by.issue_seal("0.1", "Thành phố", at=NOW), "names the agency 0.1, not H1.1"),
        (lambda by: by.issue_seal("H7", "Khác", at=NOW), "names the agency H7, not H1.1"),
    ],
)
def test_a_certificate_that_is_no_seal_or_names_another_agency_is_not_bound(
    edoc: Edoc, bound_home: str, tmp_path: Path, authority: DemonstrationAuthority, issue: Issue, told: str
) -> None:
    certificate = written(tmp_path, issue(authority))
    assert told in edoc("directory", "bind", "H1.1", certificate, "--home", bound_home, code=2).stderr
    assert edoc.json("directory", "show", "H1.1", "--home", bound_home)["seals"] == []
