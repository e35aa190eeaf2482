"""Servers written with a library: their port, the variable that moves it, their health route, the pages they serve."""

import json

import pytest

PLUGINS = ("node", "express", "vite", "static_site", "javascript_code", "dockerfile", "compose", "dotenv")
MANIFEST = json.dumps({"name": "api", "dependencies": {"express": "5"}})


def service(analyzed, code, name="server.js", manifest=MANIFEST):
    return analyzed({"package.json": manifest, name: code}, plugins=PLUGINS).services[0]


@pytest.mark.parametrize(
    ("code", "port", "port_env"),
    [
        ("app.listen(process.env.PORT || 4000)", 4000, "PORT"),
        ("const port = Number(process.env.PORT ?? '4000');\napp.listen(port, () => {})", 4000, "PORT"),
        ("const PORT = parseInt(process.env.API_PORT, 10) || 4000; app.listen(PORT)", 4000, "API_PORT"),
        ("const P = 4000; server.listen(P)", 4000, None),
        ("app.listen(8_080)", 8080, None),
        ("app.listen(process.env.PORT)", None, "PORT"),
        ("await app.listen({ port: 4000, host: '0.0.0.0' })", 4000, None),
        ("app.listen({ port: +(process.env.PORT || 4000) })", 4000, "PORT"),
        ("serve({ fetch: app.fetch, port: 4000 })", 4000, None),
        ("app.set('port', normalize(process.env.PORT || '4000')); app.listen(app.get('port'))", 4000, "PORT"),
        ("const { PORT = 4000 } = process.env; app.listen(PORT)", 4000, "PORT"),
        ("// app.listen(9999)\nconst s = 'app.listen(9999)'; app.listen(4000)", 4000, None),
        ("app.listen(process.env.PORT ? Number(process.env.PORT) : 4000)", 4000, "PORT"),
        ("const config = { port: process.env.PORT || 4000 }; app.listen(config.port)", 4000, "PORT"),
    ],
)
def test_the_port_is_what_the_code_listens_on(analyzed, code, port, port_env):
    found = service(analyzed, code)
    assert (found.framework, found.port, found.port_env) == ("express", port, port_env)


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("app.get('/healthz', (q, r) => r.send('ok'))", "/healthz"),
        ("router.get(`/api/health`, handler)", "/api/health"),
        ("app.use('/ping', pong)\napp.get('/health', h)", "/health"),
        ("fetch.get('/users'); cache.get('/health')", None),
        ("http.createServer((req, res) => { if (req.url === '/up') res.end() })", "/up"),
        ("fastify.route('/healthz').get(h)", "/healthz"),
    ],
)
def test_the_health_route_is_found(analyzed, code, path):
    assert service(analyzed, code).health_path == path


@pytest.mark.parametrize(
    "package", ["fastify", "koa", "@hapi/hapi", "hono", "restify", "polka", "@apollo/server", "socket.io"]
)
def test_other_server_libraries_are_web_processes_too(analyzed, package):
    manifest = json.dumps({"scripts": {"start": "node server.js"}, "dependencies": {package: "1"}})
    found = service(analyzed, "x.listen(4000)", manifest=manifest)
    assert (found.kind, found.framework, found.port) == (
        "web",
        package.rpartition("/")[2].replace("server", "apollo-server")
        if package == "@apollo/server"
        else package.rpartition("/")[2],
        4000,
    )


def test_typescript_is_read_too(analyzed):
    code = "const port: number = Number(process.env.PORT as string) || 4000\napp.listen<Foo>(port!)\n"
    found = service(
        analyzed,
        code,
        "src/server.ts",
        json.dumps({"scripts": {"start": "node dist/s.js"}, "dependencies": {"express": "5"}}),
    )
    assert (found.port, found.port_env) == (4000, "PORT")


def test_pages_that_the_server_hands_out_are_part_of_it(analyzed):
    files = {
        "server/package.json": MANIFEST,
        "server/index.js": "app.use(express.static(path.join(__dirname, '..', 'client', 'dist'))); app.listen(3000)",
        "client/package.json": json.dumps({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "6"}}),
        "client/index.html": "<html>",
    }
    analysis = analyzed(files, plugins=PLUGINS)
    assert [found.root for found in analysis.services] == ["server"]
    tools = {(tool.root, tool.output_dir) for tool in analysis.services[0].toolchains}
    assert ("client", "dist") in tools


def test_a_server_beside_its_pages_in_one_package_is_a_web_service(analyzed):
    manifest = {
        "scripts": {"build": "vite build", "start": "node server.js"},
        "dependencies": {"express": "5"},
        "devDependencies": {"vite": "6"},
    }
    files = {"package.json": json.dumps(manifest), "server.js": "app.listen(5000)", "index.html": "<html>"}
    found = analyzed(files, plugins=PLUGINS).services
    assert [(one.kind, one.framework, one.build_command, one.port) for one in found] == [
        ("web", "express", "npm run build", 5000)
    ]


def test_a_server_in_one_file_without_a_manifest_is_a_service(analyzed):
    files = {"server.js": "require('http').createServer(f).listen(process.env.PORT || 8080)", "README.md": ""}
    (found,) = analyzed(files, plugins=PLUGINS).services
    assert (found.kind, found.language, found.start_command) == ("web", "javascript", "node server.js")
    assert (found.port, found.port_env) == (8080, "PORT")


def test_scripts_of_a_page_are_no_server(analyzed):
    files = {"index.html": "<html>", "app.js": "document.addEventListener('click', f)", "js/main.js": "x.listen(1)"}
    assert [found.kind for found in analyzed(files, plugins=PLUGINS).services] == ["static"]


def test_a_number_before_the_variable_always_wins(analyzed):
    assert service(analyzed, "const port = 5000 || process.env.PORT; app.listen(port)").port == 5000
