"""xmlsec1 verifies the trust list that a new exchange publishes, and refuses one that was changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.cli.authority import open_authority, publish_trust_list
from api.cli.setup import set_up
from api.config import load_settings
from api.trust import ANCHORS, TRUST_LIST
from tests.support.judges import JudgeAbsentError, xmlsec1

pytestmark = pytest.mark.integration

MOMENT = "%Y-%m-%d %H:%M:%S"


def test_xmlsec1_verifies_the_published_trust_list(tmp_path: Path) -> None:
    settings, now = load_settings(tmp_path / "home"), datetime.now(UTC)
    set_up(settings, now)
    trust_list = publish_trust_list(open_authority(settings), settings, now)
    assert trust_list.sequence == 2
    path = settings.trust_folder / TRUST_LIST
    root = settings.trust_folder / ANCHORS / "demonstration.pem"
    moment = (now.replace(microsecond=0)).strftime(MOMENT)
    try:
        assert xmlsec1(path, trusted=root, moment=moment) == "OK"
    except JudgeAbsentError as error:
        pytest.skip(str(error))
    path.write_bytes(path.read_bytes().replace(b'Sequence="2"', b'Sequence="3"'))
    assert xmlsec1(path, trusted=root, moment=moment) != "OK"
