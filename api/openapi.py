"""The API's own description, OpenAPI 3.1, made from the routes and their contracts.

quart-schema 0.25 leaves dangling references to nested models, documents a list as its item, mixes kinds of status keys,
and can't declare other media types; the provider here builds those parts itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, cast

import msgspec
from quart import Quart
from quart_schema import QuartSchema
from quart_schema.openapi import HttpSecurityScheme, Info, OpenAPIProvider
from werkzeug.exceptions import HTTPException
from werkzeug.routing.rules import Rule

from autostack.api import contract
from autostack.api.problems import MEDIA_TYPE, Problem

Json = dict[str, object]

PREFIX: Final = "/api/"
_REFERENCES: Final = "#/components/schemas/{name}"
_SCHEME: Final = "token"
_PARAMETER: Final = re.compile(r"<(?:[^<>:]*:)?([^<>]+)>")
_DOCUMENT: Final = "autostack.openapi"

IDEMPOTENCY_PARAMETER: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "For 24 hours, the same key with the same request gives the first answer; nothing is made twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class Provider(OpenAPIProvider):
    """quart-schema's provider, with models, statuses and media types taken from each route's contract."""

    def schema(self) -> Json:
        """The whole document; the same routes give the same bytes."""
        found = super().schema()
        components = cast(Json, found["components"])
        schemas = cast(Json, components["schemas"])
        schemas.update(_model(Problem)[1])
        components["responses"] = {
            "Problem": {
                "description": "What went wrong, as RFC 9457 describes.",
                "content": {MEDIA_TYPE: {"schema": _model(Problem)[0]}},
            }
        }
        components["schemas"] = dict(sorted(schemas.items()))
        found["paths"] = dict(sorted(cast(Json, found["paths"]).items()))
        return cast(Json, found)

    def generate_rules(self) -> Iterable[Rule]:
        """Everything below /api, in order of path and method."""
        rules = (rule for rule in self._app.url_map.iter_rules() if rule.rule.startswith(PREFIX))
        return sorted(rules, key=lambda rule: (rule.rule, sorted(rule.methods or ())))

    def build_paths(self, rule: Rule) -> tuple[Json, Json]:
        """The paths of a rule: access, bodies and answers from the contract, and a problem for everything else."""
        view = self._app.view_functions[rule.endpoint]
        promised = contract.of(view)
        paths, components = super().build_paths(rule)
        operations = next(iter(paths.values()))
        responses, more = self._responses(promised)
        components.update(more)
        body, more = self._request_body(promised)
        components.update(more)
        for method, operation in operations.items():
            operation["operationId"] = rule.endpoint.replace(".", "_")
            operation["tags"] = [rule.rule.removeprefix(PREFIX).partition("/")[0].partition(".")[0]]
            operation["responses"] = responses
            operation["security"] = [] if promised.access == "public" else [{_SCHEME: []}]
            if body is not None:
                operation["requestBody"] = body
            if promised.idempotent and method == "post":
                operation["parameters"] = [*operation["parameters"], IDEMPOTENCY_PARAMETER]
        return {_braced(rule): operations}, components

    def build_querystring_parameters(self, model: type[object]) -> tuple[list[Json], Json]:
        """One parameter for each field of the query's model."""
        reference, components = _model(model)
        name = cast(str, reference["$ref"]).rpartition("/")[2]
        described = cast(Json, components.pop(name))
        required = cast(list[str], described.get("required", []))
        fields = cast(dict[str, Json], described["properties"])
        return [
            {"name": field, "in": "query", "required": field in required, "schema": schema}
            for field, schema in fields.items()
        ], components

    def _responses(self, promised: contract.Contract) -> tuple[Json, Json]:
        responses: Json = {}
        components: Json = {}
        for status, answer in sorted(promised.answers.items()):
            response: Json = {"description": answer.description or _describe(answer.model)}
            content: Json = {media_type: {"schema": {}} for media_type in answer.media}
            if answer.model is not None:
                schema, more = _model(answer.model)
                components.update(more)
                content["application/json"] = {"schema": schema}
            if content:
                response["content"] = content
            responses[str(status)] = response
        responses["default"] = {"$ref": "#/components/responses/Problem"}
        return responses, components

    def _request_body(self, promised: contract.Contract) -> tuple[Json | None, Json]:
        content: Json = {media: {"schema": schema} for media, schema in promised.media.items()}
        components: Json = {}
        if promised.body is not None:
            schema, components = _model(promised.body)
            content["application/json"] = {"schema": schema}
        return ({"required": True, "content": content} if content else None), components


def _model(model: object) -> tuple[Json, Json]:
    (schema,), components = msgspec.json.schema_components([model], schema_hook=_anything, ref_template=_REFERENCES)
    return cast(Json, schema), cast(Json, components)


def _braced(rule: Rule) -> str:
    # quart-schema's own expression swallows what lies between the first parameter and a converter
    return _PARAMETER.sub(r"{\1}", rule.rule)


def _anything(kind: type) -> Json:
    if kind is object:
        return {"description": "Any JSON value."}
    raise NotImplementedError(kind)


def _describe(model: object | None) -> str:
    if model is None:
        return "Done; there is nothing to say."
    documented = getattr(model, "__doc__", None) if isinstance(model, type) else None
    return (documented or "The answer.").strip().splitlines()[0]


def register(app: Quart, version: str) -> QuartSchema:
    """Let the application describe itself; the route that answers it is `blueprints/description.py`."""
    return QuartSchema(
        app,
        openapi_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        swagger_ui_path=None,
        info=Info(title="AutoStack", version=version, description="Give it code: infrastructure, price, deployment."),
        security_schemes={_SCHEME: HttpSecurityScheme(scheme="bearer", bearer_format="JWT")},
        conversion_preference="msgspec",
        openapi_provider_class=Provider,
    )


def document(app: Quart) -> Json:
    """The application's description, made once: routes don't change while it runs."""
    if _DOCUMENT not in app.extensions:
        schema = cast(QuartSchema, app.extensions["QUART_SCHEMA"])
        app.extensions[_DOCUMENT] = schema.openapi_provider.schema()
    return cast(Json, app.extensions[_DOCUMENT])


def template(app: Quart, method: str, path: str) -> str | None:
    """The path of the description that a request's path belongs to, such as `/api/projects/{project}`."""
    try:
        rule, _ = app.url_map.bind("").match(path.partition("?")[0], method, return_rule=True)
    except HTTPException:
        return None
    return _braced(rule)
