"""The web application: built anew for each worker process by :func:`build_app`, from a program that is open."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from flask import Request, Response, json, request
from flask_openapi3.models.info import Info
from flask_openapi3.models.schema import Schema
from flask_openapi3.models.security_scheme import SecurityScheme
from flask_openapi3.models.server import Server
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from api import observability
from api.bootstrap import Program
from api.rest import (
    agencies,
    documents,
    evidence,
    health,
    json_bodies,
    mailboxes,
    messages,
    models,
    problems,
    status_messages,
    verifications,
)
from api.rest.answers import BASE
from api.rest.context import EXTENSION, program

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

STATIC: Final = Path(__file__).parent / "static"
DOCS_PATH: Final = "/api/docs"
SPECIFICATION_PATH: Final = f"{BASE}/openapi.json"
_DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _POLICY,
}
_BLUEPRINTS: Final = (
    messages.blueprint,
    documents.blueprint,
    mailboxes.blueprint,
    status_messages.blueprint,
    evidence.blueprint,
    verifications.blueprint,
    agencies.blueprint,
    health.blueprint,
)
_SHAPES: Final = (
    models.Problem,
    models.Receipt,
    models.Document,
    models.InboxPage,
    models.SentPage,
    models.EvidenceList,
    models.StatusList,
    models.Verification,
    models.AgenciesPage,
    models.Health,
)
_INPUTS: Final = (models.DocumentInput, models.StatusInput)


class UploadRequest(Request):
    """A request whose large files are spilled beside the archive, not into the system's folder in memory.

    A body that ends before its Content-Length is an error (RFC 9112 section 8), not a shorter body.
    """

    def __init__(self, environ: WSGIEnvironment, populate_request: bool = True, shallow: bool = False) -> None:  # noqa: FBT001, FBT002 -- werkzeug's own
        # gunicorn says that its streams end by themselves, and werkzeug would take any end for the right one then
        if environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
            environ.pop("wsgi.input_terminated", None)
        super().__init__(environ, populate_request, shallow)
        self._spilled: list[IO[bytes]] = []

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        del total_content_length, content_type, filename, content_length
        folder = str(program().temporary_folder)
        spooled = tempfile.SpooledTemporaryFile(max_size=256 << 10, dir=folder)  # noqa: SIM115 -- closed with the request
        file = cast(IO[bytes], spooled)
        self._spilled.append(file)
        return file

    def close(self) -> None:
        """Close the files, those of a form that was refused before its end too."""
        super().close()
        for file in self._spilled:
            file.close()


class Application(OpenAPI):
    """The Flask application."""

    request_class = UploadRequest


def create_app(built: Program) -> Application:
    """The application over an open program."""
    app = Application(
        "edoc",
        info=Info(
            title="Trục liên thông văn bản (edoc exchange)",
            version="1",
            description=(
                "Registered exchange of signed official documents. Every error is a problem (RFC 9457) that says what"
                " was wrong, where, and what helps."
            ),
        ),
        security_schemes={"token": SecurityScheme(type="http", scheme="bearer", description="`edoc token create`")},
        servers=[Server(url=built.settings.public_url or "/")],
        validation_error_status=422,
        validation_error_model=models.Problem,
        validation_error_callback=_refuse,
        doc_ui=False,
        static_folder=str(STATIC),
        static_url_path="/static",
    )
    app.extensions[EXTENSION] = built
    app.config["MAX_CONTENT_LENGTH"] = built.settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = json_bodies.MOST_BYTES  # of each part that is no file
    app.config["MAX_FORM_PARTS"] = built.settings.max_attachments + 1
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    observability.register(app)
    problems.register(app)
    app.before_request(_check_length)
    app.after_request(_secure)
    for blueprint in _BLUEPRINTS:
        app.register_api(blueprint)
    _add_schemas(app)
    _add_documentation(app)
    if built.settings.trusted_proxies:
        hops = built.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def _refuse(error: ValidationError) -> Response:
    raise error


def _check_length() -> None:
    """Refuse a body that says it is too large before reading any of it; one that does not say is counted as it comes.

    What is to be judged may be larger than what is sent: an export holds a message, its files and its evidence.

    Raises:
        RequestEntityTooLarge: it is.
    """
    settings = program().settings
    is_judged = request.endpoint == verifications.ENDPOINT
    limit = settings.max_verification_bytes if is_judged else settings.max_body_bytes
    request.max_content_length = limit
    if request.content_length is not None and request.content_length > limit:
        raise RequestEntityTooLarge(f"the body has {request.content_length} bytes, more than {limit}")


def _secure(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _add_schemas(app: Application) -> None:
    """Enter the shapes that answers and bodies refer to into the description."""
    for shape in _SHAPES:
        _add_schema(app, shape, "serialization")
    for given in _INPUTS:
        _add_schema(app, given, "validation")


def _add_schema(app: Application, shape: type[BaseModel], mode: str) -> None:
    template = "#/components/schemas/{model}"
    schema = shape.model_json_schema(ref_template=template, mode=mode)  # type: ignore[arg-type]
    for name, definition in schema.pop("$defs", {}).items():
        app.components_schemas[name] = Schema(**definition)
    app.components_schemas[shape.__name__] = Schema(**schema)


def _add_documentation(app: Application) -> None:
    described: list[bytes] = []
    page = (STATIC / "docs" / "index.html").read_bytes()

    def specification_view() -> Response:
        if not described:
            described.append(json.dumps(app.api_doc).replace("<br/>", "\\n").encode())
        response = Response(described[0], mimetype="application/json")
        response.set_etag(hashlib.sha256(described[0]).hexdigest())
        response.headers["Cache-Control"] = "no-cache"
        response.make_conditional(request)
        return response

    def docs_view() -> Response:
        response = Response(page, mimetype="text/html")
        response.headers["Content-Security-Policy"] = _DOCS_POLICY
        return response

    app.add_url_rule(SPECIFICATION_PATH, "specification", specification_view)
    app.add_url_rule(DOCS_PATH, "docs", docs_view)
