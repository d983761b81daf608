"""``/agencies``: the directory."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.rest import examples
from api.rest.answers import BASE, SECURITY, described, json_answer, responses
from api.rest.authentication import caller
from api.rest.context import exchange
from api.rest.models import AgenciesPage, AgenciesQuery, Agency
from api.rest.paging import read_cursor, write_cursor
from edoc.directory.model import Agency as DirectoryAgency
from edoc.directory.model import Directory

blueprint = APIBlueprint(
    "agencies",
    __name__,
    url_prefix=BASE,
    abp_tags=[Tag(name="Directory", description="Danh mục cơ quan, đơn vị")],
    abp_security=SECURITY,
)


@blueprint.get(
    "/agencies",
    operation_id="listAgencies",
    responses=responses({200: described(AgenciesPage, "A page of the directory", examples.AGENCIES)}, 401),
)
def list_agencies(query: AgenciesQuery) -> Response:
    """List the agencies, in the order they were entered."""
    caller()
    last = read_cursor(query.cursor)
    directory = exchange().directory.current()
    after = -1 if last is None else last.int
    found = [each for each in directory.search(query.kind) if each.id > after][: query.limit + 1]
    page = found[: query.limit]
    following = write_cursor(UUID(int=page[-1].id)) if len(found) > query.limit else None
    items = [_item(directory, each) for each in page]
    return json_answer(AgenciesPage(version=directory.version, items=items, next=following))


def _item(directory: Directory, agency: DirectoryAgency) -> Agency:
    parent = None if agency.parent_id is None else directory.agencies[agency.parent_id].code
    successors = list(directory.successors(agency))
    return Agency.model_validate(vars(agency) | {"parent": parent, "successors": successors})
