"""The directory: codes, aliases, validity, successors, seals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import Engine

from edoc.database.engine import open_engine, read, write
from edoc.database.migrate import upgrade
from edoc.directory.cache import RECHECK, DirectoryCache
from edoc.directory.errors import (
    AgencyExpiredError,
    AgencyNotYetValidError,
    DirectoryFileError,
    SealBindingError,
    UnknownAgencyError,
)
from edoc.directory.loader import read_agency_list
from edoc.directory.model import Agency, Directory, SealBinding
from edoc.directory.repository import (
    add_agencies,
    bind_seals,
    close_agency,
    end_binding,
    read_directory,
    read_version,
)

HEAD = "code,old_code,parent_code,kind,name,name_en"
START = date(2018, 1, 1)
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
LIST = (
    HEAD,
    "H29,000.00.00.H29,,city,Ủy ban nhân dân Thành phố,People's Committee",
    "H29.2,000.00.02.H29,H29,department,Sở Nội vụ,Department of Home Affairs",
    "H29.31,000.00.31.H29,H29,district,Ủy ban nhân dân Quận 1,",
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/directory.sqlite3")
    upgrade(engine)
    with write(engine) as connection:
        add_agencies(connection, read_agency_list(LIST), START)
    yield engine
    engine.dispose()


def directory_of(engine: Engine) -> Directory:
    with read(engine) as connection:
        return read_directory(connection)


def binding(agency: Agency, sha256: str = "ab" * 32, until: datetime | None = None) -> SealBinding:
    return SealBinding(sha256, agency.id, b"der", NOW - timedelta(days=1), until)


@pytest.mark.parametrize("code", ["H29.2", " h29.2 ", "000.00.02.H29", "000.00.02.h29"])
def test_an_agency_is_found_by_each_of_its_codes(engine: Engine, code: str) -> None:
    assert directory_of(engine).resolve(code, NOW.date()).name == "Sở Nội vụ"


def test_an_unknown_code_is_named(engine: Engine) -> None:
    with pytest.raises(UnknownAgencyError, match="X99"):
        directory_of(engine).resolve("X99", NOW.date())


def test_parents_and_kinds_are_kept(engine: Engine) -> None:
    directory = directory_of(engine)
    department = directory.find("H29.2")
    assert department.parent_id == directory.find("H29").id
    assert [agency.code for agency in directory.search("district")] == ["H29.31"]


def test_a_closed_agency_is_refused_with_its_successors_but_still_found(engine: Engine) -> None:
    directory = directory_of(engine)
    with write(engine) as connection:
        close_agency(connection, directory.find("H29.31"), date(2025, 7, 1), [directory.find("H29.2")])
    directory = directory_of(engine)
    assert directory.resolve("H29.31", date(2025, 6, 30)).code == "H29.31"
    with pytest.raises(AgencyExpiredError) as refused:
        directory.resolve("H29.31", date(2025, 7, 1))
    assert refused.value.successors == ("H29.2",)
    assert directory.find("H29.31").code == "H29.31"


def test_an_agency_that_begins_later_is_refused(engine: Engine) -> None:
    with pytest.raises(AgencyNotYetValidError):
        directory_of(engine).resolve("H29", START - timedelta(days=1))


def test_loading_the_same_list_again_changes_nothing(engine: Engine) -> None:
    before = directory_of(engine).version
    with write(engine) as connection:
        assert add_agencies(connection, read_agency_list(LIST), START) == 0
    assert directory_of(engine).version == before


def test_a_seal_holds_for_its_agency_and_its_time(engine: Engine) -> None:
    directory = directory_of(engine)
    home_affairs, district = directory.find("H29.2"), directory.find("H29.31")
    with write(engine) as connection:
        bind_seals(connection, [binding(home_affairs)])
    directory = directory_of(engine)
    assert directory.may_seal(home_affairs, "ab" * 32, NOW)
    assert not directory.may_seal(district, "ab" * 32, NOW)
    assert not directory.may_seal(home_affairs, "cd" * 32, NOW)
    assert not directory.may_seal(home_affairs, "ab" * 32, NOW - timedelta(days=2))


def test_a_binding_that_ended_keeps_its_past(engine: Engine) -> None:
    home_affairs = directory_of(engine).find("H29.2")
    with write(engine) as connection:
        bind_seals(connection, [binding(home_affairs)])
        end_binding(connection, "ab" * 32, NOW)
    directory = directory_of(engine)
    assert directory.may_seal(home_affairs, "ab" * 32, NOW - timedelta(seconds=1))
    assert not directory.may_seal(home_affairs, "ab" * 32, NOW)
    with write(engine) as connection, pytest.raises(SealBindingError):
        end_binding(connection, "ab" * 32, NOW)


def test_a_certificate_belongs_to_one_agency(engine: Engine) -> None:
    directory = directory_of(engine)
    first = binding(directory.find("H29.2"))
    with write(engine) as connection:
        bind_seals(connection, [first])
        bind_seals(connection, [first])
        with pytest.raises(SealBindingError):
            bind_seals(connection, [replace(first, agency_id=directory.find("H29").id)])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("code,name",), "columns"),
        ((HEAD, "H29,,,city,,"), "line 2: code, kind and name"),
        ((HEAD, "H29,,,castle,Lâu đài,"), "castle"),
        ((HEAD, "H29.1,,H29,office,Văn phòng,"), "parent H29"),
        ((HEAD, "H29,,,city,A,", "h29,,,city,B,"), "line 3: code H29 is there already"),
        ((HEAD, "H29,000,,city,A,", "H30,000,,city,B,"), "code 000 is there already"),
        ((HEAD, "H29,,,city,A\x00,"), r"line 2: name has the control character U\+0000"),
        ((HEAD, "H29,,,city,A,", "H29.1\x07,,H29,office,B,"), r"line 3: code has the control character U\+0007"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(DirectoryFileError, match=message):
        read_agency_list(lines)


def test_the_demonstration_list_has_all_agencies_of_the_city() -> None:
    text = files("api.demonstration").joinpath("agencies-2018.csv").read_text(encoding="utf-8")
    entries = read_agency_list(text.splitlines())
    kinds = [entry.kind for entry in entries]
    assert len(entries) == 369
    assert (kinds.count("department"), kinds.count("district"), kinds.count("ward")) == (21, 24, 322)


def test_the_cache_sees_a_change_after_a_moment(engine: Engine) -> None:
    now = [NOW]
    cache = DirectoryCache(engine, lambda: now[0])
    first = cache.current()
    with write(engine) as connection:
        bind_seals(connection, [binding(first.find("H29.2"))])
    assert cache.current() is first
    now[0] += RECHECK
    assert cache.current().version == first.version + 1
    assert cache.current() is cache.refresh()


def test_the_version_rises_with_each_change(engine: Engine) -> None:
    with write(engine) as connection:
        before = read_version(connection)
        bind_seals(connection, [binding(read_directory(connection).find("H29.2"))])
        assert read_version(connection) == before + 1
