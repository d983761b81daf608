"""What our verifier accepts, xmlsec1 accepts as well: so a canonical form of ours is never only ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import judges
from tests.support import signatures as made
from tests.support.signatures import Recipe
from tests.support.signing_keys import root_pem
from tests.unit.signing.test_verifier import RIGHT

WITHOUT_CID = {
    name: recipe
    for name, recipe in RIGHT.items()
    if not any((ref.uri or "").startswith("cid:") for ref in recipe.references)
}
"""xmlsec1 knows no ``cid:``, which are resolved as the designers of the format meant them."""


@pytest.mark.parametrize("recipe", WITHOUT_CID.values(), ids=WITHOUT_CID.keys())
def test_xmlsec1_accepts_what_we_accept(recipe: Recipe, tmp_path: Path) -> None:
    trusted = tmp_path / "root.pem"
    trusted.write_bytes(root_pem())
    letter = tmp_path / "letter.xml"
    letter.write_bytes(made.make(recipe))
    assert made.report_on(letter.read_bytes()).passed
    try:
        assert judges.xmlsec1(letter, trusted=trusted) == "OK"
    except judges.JudgeAbsentError as absent:
        pytest.skip(str(absent))
