"""The variables that JavaScript and TypeScript read, and the resources that they name."""

import json

import pytest

PLUGINS = ("node", "express", "javascript_code")
MANIFEST = {"package.json": json.dumps({"dependencies": {"express": "5"}}), "server.js": "app.listen(3000)"}


def reads(analyzed, code, name="src/config.js"):
    (service,) = analyzed({**MANIFEST, name: code}, plugins=PLUGINS).services
    return {env.name: (env.required, env.secret, env.default) for env in service.env}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("process.env.A_B", {"A_B": (False, False, None)}),
        ("process.env['A_B'] ?? 'x'", {"A_B": (False, False, "x")}),
        ("process.env?.A_B || `x`", {"A_B": (False, False, "x")}),
        (
            "const { A_B = 'x', C_D: d, ...rest } = process.env",
            {"A_B": (False, False, "x"), "C_D": (False, False, None)},
        ),
        ("const D = 5; Number(process.env.A_B) || D", {"A_B": (False, False, "5")}),
        ("Bun.env.A_B", {"A_B": (False, False, None)}),
        ("Deno.env.get('A_B')", {"A_B": (False, False, None)}),
        (
            "configService.getOrThrow('A_B'); config.get('C_D', 'x')",
            {"A_B": (True, False, None), "C_D": (False, False, "x")},
        ),
        ("jwt.sign(x, process.env.JWT_SECRET)", {"JWT_SECRET": (True, True, None)}),
        ("process.env.JWT_SECRET || 'hunter2'", {"JWT_SECRET": (False, True, None)}),
        ("process.env.SENTRY_DSN", {"SENTRY_DSN": (False, True, None)}),
        ("// process.env.NO\n'process.env.NO'; `${process.env.A_B}`", {"A_B": (False, False, None)}),
        ("process.env.PATH + process.env.npm_package_version + my.env.X", {}),
        ("process.env.A_B = '1'; process.env[name]", {"A_B": (False, False, None)}),
    ],
)
def test_the_names_and_defaults_of_variables(analyzed, code, expected):
    assert reads(analyzed, code) == expected


def test_a_schema_of_the_environment_names_variables(analyzed):
    code = """
        export const env = z.object({
          DATABASE_URL: z.string().url(),
          CACHE_TTL: z.coerce.number().default(60),
          OPTIONAL_NAME: z.string().optional(),
        }).parse(process.env);
    """
    assert reads(analyzed, code, "src/env.ts") == {
        "DATABASE_URL": (True, False, None),
        "CACHE_TTL": (False, False, "60"),
        "OPTIONAL_NAME": (False, False, None),
    }


def test_public_variables_are_set_when_the_page_is_built(analyzed):
    files = {**MANIFEST, "src/a.tsx": "export const A = () => <a href={import.meta.env.VITE_HOME}>x</a>;"}
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert [(env.name, env.public, env.phase) for env in service.env] == [("VITE_HOME", True, "build")]


def test_a_default_address_is_a_need_and_the_variable_carries_it(analyzed):
    code = "mongoose.connect(process.env.MONGO_URI || 'mongodb://localhost:27017/chat')"
    analysis = analyzed({**MANIFEST, "db.js": code}, plugins=PLUGINS)
    (resource,) = analysis.resources
    assert (resource.kind, [(env.name, env.part) for env in resource.env]) == ("mongodb", [("MONGO_URI", "url")])


def test_tests_builds_and_members_are_not_the_applications_code(analyzed):
    files = {
        "dist/a.js": "process.env.IN_DIST", "src/a.test.ts": "process.env.IN_TEST",
        "jest.config.js": "process.env.IN_JEST", "packages/b/package.json": "{}",
        "packages/b/i.js": "process.env.IN_MEMBER", "lib/a.min.js": "process.env.IN_MIN",
    }  # fmt: skip
    (service,) = analyzed({**MANIFEST, **files}, plugins=PLUGINS).services
    assert service.env == []


@pytest.mark.parametrize(
    "code",
    ["process.env.A\0B", "{" * 50_000 + "process.env.A_B", "process.env." + "A" * 300, "process.env.A_B || " * 5_000,
     "x = process.env.A_B" + " || y" * 3_000,
     "((((((" * 2_000 + "app.listen(process.env.P", "<<<<<<< HEAD\nprocess.env.A_B\n=======", "app.listen({" * 2_000],
)  # fmt: skip
def test_code_from_a_stranger_never_fails(analyzed, code):
    analyzed({**MANIFEST, "a.js": code, "b.ts": code, "c.tsx": code, "d.vue": code}, plugins=PLUGINS)


def test_a_prisma_schema_names_the_database(analyzed):
    schema = 'datasource db {\n  provider = "sqlite"\n  url      = "file:./dev.db"\n}\n'
    analysis = analyzed({**MANIFEST, "prisma/schema.prisma": schema}, plugins=PLUGINS)
    assert [resource.kind for resource in analysis.resources] == ["sqlite"]
    assert [(volume.path, volume.purpose) for volume in analysis.services[0].volumes] == [("prisma", "database")]
