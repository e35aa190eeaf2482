"""Pages that a build leaves as files: where they are, and when there is no such page."""

import json

import pytest

PLUGINS = ("node", "express", "vite", "static_site", "javascript_code", "dotenv", "python", "fastapi")


def manifest(build="vite build", **fields):
    return json.dumps({"scripts": {"build": build}, "devDependencies": {"vite": "6"}, **fields})


def only(analyzed, files):
    (service,) = analyzed(files, plugins=PLUGINS).services
    return service


@pytest.mark.parametrize(
    ("config", "build", "folder"),
    [
        ("", "vite build", "dist"),
        ("export default { build: { outDir: 'build' } }", "tsc -b && vite build", "build"),
        ("export default { build: { outDir: path.resolve(__dirname, 'out/web') } }", "vite build", "out/web"),
        ("", "vite build --outDir www", "www"),
        ("export default {\n  root: 'src',\n  build: { outDir: '../dist' },\n}", "vite build", "dist"),
    ],
)
def test_the_folder_is_where_the_build_puts_the_pages(analyzed, config, build, folder):
    files = {
        "package.json": manifest(build),
        "index.html": "<html>",
        "src/index.html": "<html>",
        "vite.config.ts": config,
    }
    service = only(analyzed, files)
    assert (service.kind, service.framework, service.static_dir) == ("static", "vite", folder)
    assert service.start_command is None


def test_what_the_page_is_written_with_is_a_library(analyzed):
    files = {"package.json": manifest(dependencies={"react": "19", "lodash": "4"}), "index.html": "<html>"}
    assert "react" in only(analyzed, files).libraries
    assert "lodash" not in only(analyzed, files).libraries


@pytest.mark.parametrize("script", ["vite", "vite preview", "vite --port 3000", "npm run dev", "serve -s dist"])
def test_a_development_or_file_server_is_no_web_process(analyzed, script):
    scripts = {"build": "vite build", "dev": "vite", "start": script}
    files = {"package.json": json.dumps({"scripts": scripts, "devDependencies": {"vite": "6"}}), "index.html": "<html>"}
    service = only(analyzed, files)
    assert (service.kind, service.processes) == ("static", [])


def test_vite_that_only_runs_tests_or_builds_a_library_is_no_page(analyzed):
    library = {"package.json": manifest(main="dist/lib.js"), "vite.config.js": "export default { build: { lib: {} } }"}
    assert analyzed(library, plugins=PLUGINS).services == []


@pytest.mark.parametrize(
    ("dependency", "build", "framework", "folder"),
    [
        ("react-scripts", "react-scripts build", "create-react-app", "build"),
        ("@vue/cli-service", "vue-cli-service build", "vue-cli", "dist"),
        ("gatsby", "gatsby build", "gatsby", "public"),
        ("@docusaurus/core", "docusaurus build", "docusaurus", "build"),
        ("@11ty/eleventy", "eleventy", "eleventy", "_site"),
        ("vitepress", "vitepress build docs", "vitepress", "docs/.vitepress/dist"),
        ("parcel", "parcel build src/index.html", "parcel", "dist"),
    ],
)
def test_other_builders_of_pages_are_known(analyzed, dependency, build, framework, folder):
    text = json.dumps({"scripts": {"build": build, "start": "x"}, "dependencies": {dependency: "1"}})
    service = only(analyzed, {"package.json": text, "src/index.html": "<html>", "public/index.html": "<html>"})
    assert (service.kind, service.framework, service.static_dir) == ("static", framework, folder)


def test_angular_says_where_its_pages_are(analyzed):
    angular = {
        "projects": {
            "lib": {"projectType": "library"},
            "shop": {
                "projectType": "application",
                "architect": {
                    "build": {"builder": "@angular/build:application", "options": {"outputPath": "dist/shop"}}
                },
            },
        }
    }
    files = {
        "package.json": json.dumps(
            {"scripts": {"build": "ng build", "start": "ng serve"}, "dependencies": {"@angular/core": "20"}}
        ),
        "angular.json": json.dumps(angular),
    }
    service = only(analyzed, files)
    assert (service.framework, service.static_dir) == ("angular", "dist/shop/browser")


def test_the_backend_behind_the_proxy_is_called(analyzed):
    files = {
        "web/package.json": manifest(),
        "web/index.html": "<html>",
        "web/vite.config.js": "export default { server: { proxy: { '/api': { target: 'http://localhost:8000' } } } }",
        "web/src/a.ts": "fetch(import.meta.env.VITE_API_URL + '/x'); import.meta.env.MODE",
        "api/requirements.txt": "fastapi\nuvicorn\n",
        "api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
    }
    services = {service.root: service for service in analyzed(files, plugins=PLUGINS).services}
    web = services["web"]
    assert [(call.service, call.env) for call in web.calls] == [("api", "VITE_API_URL")]
    assert [(env.name, env.public, env.phase) for env in web.env] == [("VITE_API_URL", True, "build")]


def test_a_page_that_a_framework_bundles_is_no_second_service(analyzed):
    files = {
        "package.json": manifest(dependencies={"@sveltejs/kit": "2", "svelte": "5"}),
        "index.html": "<html>",
        "svelte.config.js": "import adapter from '@sveltejs/adapter-static'",
    }
    service = only(analyzed, files)
    assert (service.framework, service.kind, service.static_dir) == ("sveltekit", "static", "build")


# ---- where other builders leave their files


@pytest.mark.parametrize(
    ("manifest", "config", "content", "framework", "output"),
    [
        ({"astro": "5"}, "astro.config.mjs", "export default { outDir: './public_html' }", "astro", "public_html"),
        ({"@vue/cli-service": "5"}, "vue.config.js", "module.exports = { outputDir: 'www' }", "vue-cli", "www"),
        ({"@11ty/eleventy": "3"}, "eleventy.config.js", "c.dir = { output: 'dist' }", "eleventy", "dist"),
        ({"@rsbuild/core": "1"}, "rsbuild.config.ts", "output: { distPath: { root: 'out' } }", "rsbuild", "out"),
        ({"@rsbuild/core": "1"}, "rsbuild.config.ts", "export default {}", "rsbuild", "dist"),
        ({"@rspack/cli": "1"}, "rspack.config.js", "new rspack.HtmlRspackPlugin()", "rspack", "dist"),
    ],
)
def test_the_configuration_names_the_folder_that_is_filled(analyzed, manifest, config, content, framework, output):
    program = {"astro": "astro build", "vue-cli": "vue-cli-service build", "eleventy": "npx @11ty/eleventy"}
    files = {
        "package.json": json.dumps(
            {"scripts": {"build": program.get(framework, f"{framework} build")}, "devDependencies": manifest}
        ),
        config: content,
    }
    service = analyzed(files, plugins=("node", "vite")).services[0]
    assert (service.framework, service.kind, service.static_dir) == (framework, "static", output)


@pytest.mark.parametrize(
    "extra",
    [
        {"public/manifest.json": '{"manifest_version": 3}'},
        {"src-tauri/tauri.conf.json": "{}"},
    ],
)
def test_pages_of_an_extension_or_a_desktop_application_are_no_site(analyzed, extra):
    manifest = json.dumps({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "6"}})
    files = {"package.json": manifest, "index.html": "<html></html>", **extra}
    assert analyzed(files, plugins=("node", "vite", "static_site")).services == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("proxy.conf.json", '{"/api": {"target": "http://localhost:8000", "secure": false}}'),
        ("nginx.conf", "server {\n  location /api/ {\n    proxy_pass http://backend:8000/;\n  }\n}\n"),
        ("deploy/Caddyfile", ":80 {\n  reverse_proxy /api/* backend:8000\n}\n"),
    ],
)
def test_what_stands_in_front_of_the_pages_names_the_backend(analyzed, name, content):
    files = {
        "front/package.json": manifest(),
        "front/index.html": "<html></html>",
        f"front/{name}": content,
        "backend/package.json": json.dumps({"scripts": {"start": "node a.js"}, "dependencies": {"express": "5"}}),
        "backend/a.js": "app.listen(8000)\n",
    }
    front = next(service for service in analyzed(files, plugins=PLUGINS).services if service.root == "front")
    assert [call.service for call in front.calls] == ["backend"]
