"""autostack.yaml has the last word; what it says wrongly is a finding with its line."""

import json

import pytest

PLUGINS = ("overrides", "node", "express", "javascript_code", "dockerfile")
APP = {
    "api/package.json": json.dumps({"scripts": {"start": "node a.js"}, "dependencies": {"express": "5"}}),
    "api/a.js": "app.listen(3000)",
}


def analysis(analyzed, text, files=APP):
    return analyzed({**files, "autostack.yaml": text}, plugins=PLUGINS)


def findings(analyzed, text):
    return [(f.line, f.message) for f in analysis(analyzed, text).findings if f.rule == "invalid-override"]


def test_every_kind_of_field_can_be_set_nested_or_dotted(analyzed):
    text = """
        version: 1
        services:
          api:
            name: shop
            port: 8000
            node.version: ">=20 <23"
            processes:
              web: {command: node cluster.js}
              mail.kind: worker
              mail.command: node mail.js
            env: {MODE: fast, API_TOKEN: hunter2, MUST: {required: true}}
            volumes: {/srv/data.d: uploads}
            needs: {postgres: true}
            libraries: ["...", zod]
        resources:
          db: {kind: postgres, version: "16"}
    """
    found = analysis(analyzed, text)
    (service,) = found.services
    assert (service.name, service.port, service.start_command, service.runtime.version) == (
        "shop",
        8000,
        "node cluster.js",
        "22",
    )
    assert {process.name: process.kind for process in service.processes} == {"web": "web", "mail": "worker"}
    assert {env.name: (env.required, env.secret, env.default) for env in service.env} == {
        "MODE": (False, False, "fast"), "API_TOKEN": (False, True, None), "MUST": (True, False, None),
    }  # fmt: skip
    assert "zod" in service.libraries
    assert [(volume.path, volume.purpose) for volume in service.volumes] == [("/srv/data.d", "uploads")]
    assert [(resource.name, resource.kind, resource.version) for resource in found.resources] == [
        ("db", "postgres", "16")
    ]
    assert not [finding for finding in found.findings if finding.rule == "invalid-override"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version: 1\nservices:\n  api:\n    framwork: x\n", 4, ("framwork", "framework")),
        (
            "version: 1\nservices:\n  api:\n    processes: {web: {comand: x}}\n",
            4,
            ("processes.web.comand", "processes.<name>.command"),
        ),
        ("version: 1\nservices:\n  api:\n    port: eighty\n", 4, ("port",)),
        ("version: 1\nservices:\n  api:\n    kind: webb\n", 4, ("kind",)),
        ("version: 1\nservices:\n  apy:\n    port: 1\n", 3, ("apy", "api")),
        ("version: 1\nresources:\n  db: {kind: postgress}\n", 3, ("resources.db.kind",)),
        ("version: 1\nservicess: {}\n", 2, ("servicess", "services")),
        ("version: 2\n", 1, ("version",)),
        ("- a\n", 1, ("mapping",)),
        ("version: 1\nservices: {api: 3}\n", 2, ("services.api",)),
        ("version: 1\nservices: {api: {port: ''}}\n", 2, ("port",)),
    ],
)
def test_what_cannot_be_set_is_reported_with_its_line_and_not_applied(analyzed, text, line, words):
    ((found, message),) = findings(analyzed, text)
    assert found == line
    assert all(word in message for word in words)
    assert analysis(analyzed, text).services[0].port == 3000


def test_a_waived_rule_is_not_reported(analyzed):
    assert "missing-lockfile" in [finding.rule for finding in analyzed(APP, plugins=PLUGINS).findings]
    waived = analysis(analyzed, "version: 1\nwaive: [missing-lockfile]\n")
    assert waived.findings == []


def test_a_rule_can_be_waived_for_one_service(analyzed):
    other = {"web/package.json": APP["api/package.json"], "web/a.js": APP["api/a.js"]}
    found = analysis(analyzed, "version: 1\nservices: {api: {waive: [missing-lockfile]}}\n", {**APP, **other})
    assert [finding.path for finding in found.findings] == ["web/package.json"]


def test_a_list_can_extend_what_was_found(analyzed):
    files = {**APP, "api/Dockerfile": "FROM node:22\nEXPOSE 3000\nCMD node a.js\n"}
    text = "version: 1\nservices: {api: {processes: {web: {ports: ['...', 9000]}}}}\n"
    (service,) = analysis(analyzed, text, files).services
    assert [port.port for port in service.processes[0].ports] == [3000, 9000]


def test_a_secret_in_the_file_is_not_shown_even_when_it_is_wrong(analyzed):
    text = "version: 1\nservices: {api: {env: {API_TOKEN: {default: [hunter2]}}}}\n"
    found = analysis(analyzed, text)
    assert "invalid-override" in [finding.rule for finding in found.findings]
    assert "hunter2" not in repr(found)
