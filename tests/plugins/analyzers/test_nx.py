"""Applications of an Nx workspace that have no package.json of their own."""

import json

PLUGINS = ("node", "nx", "express", "vite", "static_site", "javascript_code", "resources")


def workspace(projects, files=None, **dependencies):
    given = {
        "package.json": json.dumps({"name": "top", "scripts": {"start": "nx serve"}, "dependencies": dependencies}),
        "package-lock.json": '{"lockfileVersion": 3}',
        "nx.json": "{}",
        **{f"{root}/project.json": json.dumps(project) for root, project in projects.items()},
    }
    return given | (files or {})


def program(name, **options):
    build = {"executor": "@nx/esbuild:esbuild", "options": {"outputPath": f"dist/apps/{name}", **options}}
    return {"name": name, "projectType": "application", "targets": {"build": build}}


MAIN = "import express from 'express'\nconst app = express()\napp.listen(process.env.PORT || 3333)\n"


def test_a_program_is_built_at_the_top_and_started_from_there(analyzed):
    files = workspace({"apps/api": program("api")}, {"apps/api/src/main.ts": MAIN}, express="4", pg="8")
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert (service.root, service.build_root, service.framework) == ("apps/api", ".", "express")
    assert service.build_command == "npx nx run api:build"
    assert service.start_command == "node ../../dist/apps/api/main.js"
    assert (service.port, service.port_env, service.needs) == (3333, "PORT", ["postgres"])


def test_pages_are_served_from_the_folder_that_vite_fills_and_need_no_database(analyzed):
    web = {
        "apps/web/vite.config.ts": "export default { build: { outDir: '../../dist/apps/web' } }\n",
        "apps/web/index.html": "<html></html>",
        "apps/web/src/main.tsx": "fetch(import.meta.env.VITE_API)\n",
    }
    files = workspace({"apps/web": {"name": "web", "projectType": "application"}}, web, pg="8")
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert (service.kind, service.static_dir, service.needs) == ("static", "../../dist/apps/web", [])
    assert [env.name for env in service.env] == ["VITE_API"]


def test_libraries_and_tests_of_the_browser_are_no_services(analyzed):
    files = workspace(
        {
            "libs/ui": {"name": "ui", "projectType": "library", "targets": {"build": {"executor": "@nx/vite:build"}}},
            "apps/web-e2e": {"name": "web-e2e", "targets": {"e2e": {"executor": "@nx/cypress:cypress"}}},
        },
        {"libs/ui/src/index.ts": "export {}\n", "apps/web-e2e/src/main.ts": "export {}\n"},
    )
    assert analyzed(files, plugins=PLUGINS).services == []


def test_next_is_started_where_its_build_lies(analyzed):
    build = {"executor": "@nx/next:build", "options": {"outputPath": "dist/apps/shop"}}
    files = workspace({"apps/shop": {"name": "shop", "targets": {"build": build}}}, next="15")
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert (service.framework, service.port) == ("next", 3000)
    assert service.start_command == "npx next start ../../dist/apps/shop"
