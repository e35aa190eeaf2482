"""openapi.json is a valid description, and says something of every route."""

from __future__ import annotations

from typing import Any, cast

from openapi_spec_validator import OpenAPIV31SpecValidator

from .conftest import Client


async def described(anybody: Client) -> dict[str, Any]:
    return cast(dict[str, Any], (await anybody.get("/api/openapi.json")).json)


async def test_the_description_is_valid_openapi(anybody: Client) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(await described(anybody)).iter_errors()] == []


async def test_every_reference_leads_somewhere(anybody: Client) -> None:
    document = await described(anybody)
    names = references(document)
    assert names
    for name in names:
        found: Any = document
        for step in name.removeprefix("#/").split("/"):
            assert step in found, name
            found = found[step]


async def test_every_operation_says_what_it_is_and_what_it_answers(anybody: Client) -> None:
    for path, operations in (await described(anybody))["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert [status for status in operation["responses"] if status.startswith("2")], (method, path)
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}


async def test_operations_have_names_of_their_own(anybody: Client) -> None:
    paths = (await described(anybody))["paths"]
    names = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
    assert len(names) == len(set(names))


async def test_only_the_open_doors_need_no_token(anybody: Client) -> None:
    paths = (await described(anybody))["paths"]
    public = {path for path, operations in paths.items() for one in operations.values() if one["security"] == []}
    assert public == {"/api/auth/login", "/api/auth/register", "/api/openapi.json"}


async def test_nested_models_and_lists_are_described(anybody: Client) -> None:
    document = await described(anybody)
    schemas = document["components"]["schemas"]
    assert schemas["Analysis"]["properties"]["services"]["items"] == {"$ref": "#/components/schemas/Service"}
    answer = document["paths"]["/api/projects"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    listed = schemas[answer["$ref"].rpartition("/")[2]]
    assert listed["properties"]["items"] == {"type": "array", "items": {"$ref": "#/components/schemas/Project"}}


async def test_uploads_and_downloads_are_described_by_their_media_types(anybody: Client) -> None:
    paths = (await described(anybody))["paths"]
    upload = paths["/api/projects/{project}/uploads"]["post"]
    assert {"application/zip", "application/gzip", "multipart/form-data"} <= set(upload["requestBody"]["content"])
    files = paths["/api/projects/{project}/files"]["get"]["responses"]["200"]["content"]
    assert set(files) == {"application/json", "application/zip"}
    assert "text/event-stream" in paths["/api/projects/{project}/events"]["get"]["responses"]["200"]["content"]


async def test_a_post_that_creates_takes_an_idempotency_key(anybody: Client) -> None:
    paths = (await described(anybody))["paths"]
    taking = {
        path
        for path, operations in paths.items()
        for parameter in operations.get("post", {}).get("parameters", [])
        if parameter["name"] == "Idempotency-Key"
    }
    assert taking == {
        "/api/projects",
        "/api/projects/{project}/uploads",
        "/api/projects/{project}/deployments",
        "/api/deployments/{deployment}/plan",
        "/api/deployments/{deployment}/rollback",
    }


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()
