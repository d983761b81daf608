"""The demonstration's data is what its README says."""

from __future__ import annotations

import unicodedata
from collections import Counter

from api.demonstration.agencies import bulletin_paragraphs, demonstration_agencies


def test_the_city_of_2018_has_369_agencies() -> None:
    kinds = Counter(agency.kind for agency in demonstration_agencies())
    assert kinds == {"city": 1, "office": 1, "department": 21, "district": 24, "ward": 322}


def test_every_ward_lies_in_a_district_and_every_district_in_the_city() -> None:
    kind = {agency.code: agency.kind for agency in demonstration_agencies()}
    above = {(agency.kind, kind.get(agency.parent_code or "")) for agency in demonstration_agencies()}
    expected = {("ward", "district"), ("district", "city"), ("department", "city"), ("office", "city"), ("city", None)}
    assert above == expected


def test_the_bulletin_begins_without_its_dateline_and_keeps_its_heading() -> None:
    paragraphs = bulletin_paragraphs()
    assert paragraphs[0].startswith("Trong quý II năm 2018, TPHCM tiếp tục triển khai")
    assert "Kết quả công tác CCHC quý I" in paragraphs
    assert paragraphs[-1].endswith("phù hợp với TCVN ISO 9001:2008.")


def test_all_text_is_in_normal_form_c() -> None:
    texts = [*bulletin_paragraphs(), *(agency.name for agency in demonstration_agencies())]
    assert all(unicodedata.is_normalized("NFC", text) for text in texts)
