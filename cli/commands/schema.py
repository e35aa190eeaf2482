"""`autostack schema`: the shape of what AutoStack prints and reads."""

from __future__ import annotations

import click

# name -> class of `core/model.py`
SCHEMAS = {
    "analysis": "Analysis",
    "architecture": "Architecture",
    "bundle": "Bundle",
    "cost": "CostEstimate",
    "plan": "Plan",
    "outcome": "Outcome",
    "deployment": "Deployment",
    "event": "Event",
}


@click.command("schema")
@click.argument("name", type=click.Choice([*SCHEMAS, "claims"]))
def command(name: str) -> None:
    """Print the JSON schema of NAME; `claims` lists the fields that plugins and autostack.yaml can claim."""
    import msgspec

    from autostack.cli import terminal
    from autostack.core import claims, model

    if name == "claims":
        rows = [{"field": row.pattern, "type": _type(row.type), "inherited": row.inherited} for row in claims.FIELDS]
        terminal.print_json(rows)
    else:
        schema = msgspec.json.schema(getattr(model, SCHEMAS[name]), schema_hook=_any)
        for definition in schema["$defs"].values():
            definition["required"] = list(definition["properties"])  # all keys are always present
        terminal.print_json(schema)


def _any(kind: type) -> dict[str, object]:
    """A claimed value may be of any type that JSON has."""
    if kind is object:
        return {"description": "any value"}
    raise NotImplementedError(kind)


def _type(found: object) -> str:
    return (
        found.__name__
        if isinstance(found, type) and not hasattr(found, "__args__")
        else str(found).replace("typing.", "")
    )
