"""``/health``: for whoever watches over the processes. Needs no token and tells no secrets."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.observability import check_health
from api.rest import examples
from api.rest.answers import described, json_answer, responses
from api.rest.context import program
from api.rest.models import Health, HealthCheck

blueprint = APIBlueprint(
    "health", __name__, url_prefix="/health", abp_tags=[Tag(name="Health", description="Tình trạng hoạt động")]
)


@blueprint.get(
    "/live",
    operation_id="live",
    responses=responses({200: described(Health, "The process answers", {"status": "ok", "checks": []})}),
)
def live() -> Response:
    """Whether the process answers. If not, start it anew."""
    return json_answer(Health(status="ok"))


@blueprint.get(
    "/ready",
    operation_id="ready",
    responses=responses(
        {
            200: described(Health, "Everything that it depends on is there", examples.HEALTH),
            503: described(
                Health, "Something is missing; send it no requests", examples.HEALTH | {"status": "failing"}
            ),
        }
    ),
)
def ready() -> Response:
    """Whether database, archive, trust anchors, CRLs and the exchange's seal are in order, each with the reason."""
    checks = [HealthCheck.model_validate(each) for each in check_health(program())]
    ok = all(check.ok for check in checks)
    return json_answer(Health(status="ok" if ok else "failing", checks=checks), 200 if ok else 503)
