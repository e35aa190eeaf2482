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


# ---- data stores that the code opens


JS = ("node", "express", "javascript_code", "resources")


def service(analyzed, code, dependencies, **files):
    manifest = json.dumps({"scripts": {"start": "node server.js"}, "dependencies": {"express": "5", **dependencies}})
    given = {"package.json": manifest, "package-lock.json": "{}", "server.js": code, **files}
    return analyzed(given, plugins=JS)


def test_what_a_client_is_opened_with_is_the_address_whatever_its_name(analyzed):
    analysis = service(analyzed, "mongoose.connect(process.env.ATLAS_URI)\napp.listen(3000)\n", {"mongoose": "8"})
    (resource,) = analysis.resources
    assert [(env.name, env.part) for env in resource.env] == [("ATLAS_URI", "url")]


def test_a_store_that_is_used_only_if_a_variable_is_set_is_optional(analyzed):
    code = "export const redis = process.env.REDIS_URL ? new Redis(process.env.REDIS_URL) : null\napp.listen(3000)\n"
    analysis = service(analyzed, code, {"ioredis": "5"})
    assert [(resource.kind, resource.required) for resource in analysis.resources] == [("redis", False)]
    assert [(env.name, env.required) for env in analysis.services[0].env] == [("REDIS_URL", False)]


def test_a_variable_whose_absence_ends_the_program_is_no_option(analyzed):
    code = """\
        if (process.env.REDIS_URL) { connect(process.env.REDIS_URL) } else { throw new Error("REDIS_URL is missing") }
        app.listen(3000)
        """
    assert [env.required for env in service(analyzed, code, {"redis": "5"}).services[0].env] == [True]


@pytest.mark.parametrize(
    ("code", "volume"),
    [
        ("const db = new Database('data/app.db')", "data"),
        ("const db = new sqlite3.Database('./app.db')", "app.db"),
        ("new Sequelize({ dialect: 'sqlite', storage: './var/app.sqlite' })", "var"),
        ("const db = new Database(process.env.DB_PATH || 'store/app.db')", "store"),
    ],
)
def test_the_folder_of_a_sqlite_file_lasts(analyzed, code, volume):
    analysis = service(analyzed, f"{code} // sqlite\napp.listen(3000)\n", {"better-sqlite3": "11"})
    assert [(one.path, one.purpose) for one in analysis.services[0].volumes] == [(volume, "database")]
    assert [resource.kind for resource in analysis.resources] == ["sqlite"]


def test_a_database_in_memory_needs_no_volume(analyzed):
    code = "const db = new sqlite3.Database(':memory:')\napp.listen(3000)\n"
    assert service(analyzed, code, {"sqlite3": "5"}).services[0].volumes == []


def test_the_folder_of_uploads_lasts(analyzed):
    code = "const upload = multer({ dest: 'uploads/' })\napp.listen(3000)\n"
    volumes = service(analyzed, code, {"multer": "2"}).services[0].volumes
    assert [(one.path, one.purpose) for one in volumes] == [("uploads", "uploads")]


# ---- schemas, routers, file routes, addresses


def test_joi_asks_only_for_what_is_required(analyzed):
    code = """\
        const schema = Joi.object({ JWT_SECRET: Joi.string().required(), SMTP_HOST: Joi.string() })
        schema.validate(process.env)
        app.listen(3000)
        """
    env = {one.name: one.required for one in service(analyzed, code, {"joi": "17"}).services[0].env}
    assert env == {"JWT_SECRET": True, "SMTP_HOST": False}


def test_a_router_s_health_route_stands_under_its_prefix(analyzed):
    code = "app.use('/api', healthRouter)\napp.use('/shop', shopRouter)\napp.listen(3000)\n"
    routes = "const router = express.Router()\nrouter.get('/health', (q, r) => r.send('ok'))\n"
    analysis = service(analyzed, code, {}, **{"routes/health.js": routes})
    assert analysis.services[0].health_path == "/api/health"


def test_a_health_route_of_which_nobody_knows_the_prefix_is_left_out(analyzed):
    code = "app.use('/a', first)\napp.use('/b', second)\napp.listen(3000)\n"
    routes = "const router = express.Router()\nrouter.get('/health', (q, r) => r.send('ok'))\n"
    assert service(analyzed, code, {}, **{"routes/misc.js": routes}).services[0].health_path is None


@pytest.mark.parametrize(
    ("framework", "path", "route"),
    [
        ("next", "src/app/api/health/route.ts", "/api/health"),
        ("next", "app/(internal)/healthz/route.ts", "/healthz"),
        ("next", "pages/api/health.js", "/api/health"),
        ("@sveltejs/kit", "src/routes/healthz/+server.ts", "/healthz"),
        ("nuxt", "server/api/health.get.ts", "/api/health"),
        ("@react-router/dev", "app/routes/healthcheck.tsx", "/healthcheck"),
        ("@remix-run/dev", "app/routes/api.health.ts", "/api/health"),
    ],
)
def test_a_file_s_place_is_its_health_route(analyzed, framework, path, route):
    manifest = json.dumps({"scripts": {"build": "x"}, "dependencies": {framework: "1"}})
    files = {"package.json": manifest, path: "export const GET = () => new Response('ok')\n"}
    assert analyzed(files, plugins=JS).services[0].health_path == route


@pytest.mark.parametrize(
    ("code", "dependency", "found"),
    [
        ("app.listen(3000, '127.0.0.1')", "express", True),
        ("app.listen(3000)", "express", False),
        ("app.listen(3000, '0.0.0.0')", "express", False),
        ("app.listen({ port: 3000 })", "fastify", True),
        ("app.listen({ port: 3000, host: '0.0.0.0' })", "fastify", False),
        ("app.listen({ port: 3000, host: process.env.HOST || 'localhost' })", "fastify", False),
    ],
)
def test_a_server_that_nobody_outside_can_reach_is_reported(analyzed, code, dependency, found):
    manifest = json.dumps({"scripts": {"start": "node server.js"}, "dependencies": {dependency: "1"}})
    files = {"package.json": manifest, "package-lock.json": "{}", "server.js": code + "\n"}
    rules = [finding.rule for finding in analyzed(files, plugins=JS).findings]
    assert rules == (["listens-on-loopback"] if found else [])


def test_the_only_database_is_needed_although_the_code_asks_whether_it_is_set(analyzed):
    code = "if (process.env.DATABASE_URL) { new Pool({ connectionString: process.env.DATABASE_URL }) }\napp.listen(1)\n"
    (resource,) = service(analyzed, code, {"pg": "8"}).resources
    assert (resource.kind, resource.required) == ("postgres", True)


def test_the_address_of_a_page_is_no_condition_that_of_a_store_is(analyzed):
    code = "use(process.env.FRONTEND_URL, process.env.REDIS_URL)\napp.listen(1)\n"
    env = {one.name: one.required for one in service(analyzed, code, {"redis": "5"}).services[0].env}
    assert env == {"FRONTEND_URL": False, "REDIS_URL": True}


def test_a_property_of_the_environment_object_is_no_variable(analyzed):
    code = "process.env.hasOwnProperty('A'); process.env.isPrimary; process.env.database__host\napp.listen(1)\n"
    assert [one.name for one in service(analyzed, code, {}).services[0].env] == ["database__host"]


def test_strapi_s_settings_are_variables_and_a_chosen_database_asks_for_no_other(analyzed):
    code = """\
        module.exports = ({ env }) => ({
          client: env('DATABASE_CLIENT', 'sqlite'),
          url: env('DATABASE_URL'),
          file: env('DATABASE_FILENAME', '.tmp/data.db'),
          keys: env.array('APP_KEYS'),
        })
        """
    analysis = service(analyzed, "app.listen(1)\n", {"better-sqlite3": "11"}, **{"config/database.js": code})
    env = {one.name: (one.required, one.secret) for one in analysis.services[0].env}
    assert env["APP_KEYS"] == (True, True)
    assert env["DATABASE_URL"] == (False, False)
    assert [volume.path for volume in analysis.services[0].volumes] == [".tmp"]


def test_an_unmistakable_address_needs_its_store_whichever_library_reads_it(analyzed):
    analysis = service(analyzed, "start({ redis: process.env.REDIS_URL })\napp.listen(1)\n", {})
    assert [(one.kind, one.required) for one in analysis.resources] == [("redis", True)]
