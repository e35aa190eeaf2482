"""Plain pages are a service where nothing else builds or serves them."""

import json

import pytest

PLUGINS = ("node", "express", "vite", "static_site", "python", "flask", "django", "procfile")


def roots(analyzed, files):
    return [(service.root, service.kind, service.static_dir) for service in analyzed(files, plugins=PLUGINS).services]


@pytest.mark.parametrize(
    ("files", "root", "folder"),
    [
        ({"index.html": "<html>", "style.css": ""}, ".", "."),
        ({"public/index.html": "<html>", "README.md": ""}, ".", "public"),
        ({"site/index.html": "<html>"}, ".", "site"),
        ({"landing/index.html": "<html>", "landing/about/index.html": "<html>"}, "landing", "."),
        ({"Staticfile": "root: web/pages\n", "web/pages/index.html": "<html>"}, ".", "web/pages"),
    ],
)
def test_a_folder_of_pages_is_served_as_it_is(analyzed, files, root, folder):
    assert roots(analyzed, files) == [(root, "static", folder)]


@pytest.mark.parametrize(
    "files",
    [
        {
            "app.py": "from flask import Flask\napp = Flask(__name__)\n",
            "requirements.txt": "flask\n",
            "templates/index.html": "<html>",
        },
        {"requirements.txt": "flask\n", "index.html": "<html>"},
        {"index.php": "<?php", "index.html": "<html>"},
        {"go.mod": "module x\n", "docs/index.html": "<html>"},
        {"coverage/index.html": "<html>"},
        {"go.mod": "module x\n", "web/templates/index.html": "<html>"},
        {"go.mod": "module x\n", "main.go": 'http.Dir("web") // "web"\n', "web/index.html": "<html>"},
        {"package.json": json.dumps({"scripts": {"build": "webpack"}}), "index.html": "<html>"},
    ],
)
def test_pages_of_a_program_are_no_site(analyzed, files):
    assert [one for one in roots(analyzed, files) if one[1] == "static"] == []


def test_a_frontend_without_a_manifest_stands_beside_its_backend(analyzed):
    files = {
        "backend/app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "backend/requirements.txt": "flask\ngunicorn\n",
        "frontend/index.html": "<html>",
    }
    assert ("frontend", "static", ".") in roots(analyzed, files)


def test_hugo_and_jekyll_build_their_sites(analyzed):
    hugo = {"hugo.toml": 'baseURL = "https://x"\n', "content/a.md": "", "layouts/index.html": "<html>"}
    (service,) = analyzed(hugo, plugins=PLUGINS).services
    assert (service.framework, service.static_dir, service.build_command) == ("hugo", "public", "hugo --gc --minify")


def test_pages_in_docs_are_a_site_where_there_is_nothing_else(analyzed):
    (service,) = analyzed({"docs/index.html": "<html></html>", "README.md": "x"}, plugins=PLUGINS).services
    assert (service.root, service.kind) == ("docs", "static")
