"""The JavaScript frameworks that decide how an application is built, started or served: one table.

Rows are in order: the first whose package is there decides, so that a meta framework comes before the tool below it
(Next.js before Express, Astro before Vite).
"""

import posixpath
import re
from typing import Literal, NamedTuple

from autostack.core import roles
from autostack.core.source import SourceTree, above, folder, join
from autostack.plugins.analyzers.manifests.node import Package, chosen_manager, resolved
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.roots import has_manifest
from autostack.plugins.analyzers.manifests.shape import at, mapping, text

Kind = Literal["meta", "server", "static", "worker"]


class Framework(NamedTuple):
    """One row.

    packages  npm packages, any of which means this framework
    kind      meta: has a start command of its own; server: a library in the app's own program; static: builds files
    start     how it is started when package.json has no script for it; "node …" bare, others are package programs
    port      what it listens on when nothing is set
    output    where the build puts what is served
    build     the build program, when there is no `build` script
    scripts   names of the scripts that start it in production, best first
    """

    name: str
    packages: tuple[str, ...]
    kind: Kind
    start: str | None = None
    port: int | None = None
    output: str | None = None
    build: str | None = None
    scripts: tuple[str, ...] = ("start:prod", "start:production", "start")
    configs: tuple[str, ...] = ()


FRAMEWORKS: tuple[Framework, ...] = (
    # those that bring another framework along, or stand on one, come first
    # https://docs.strapi.io/cms/configurations/server
    Framework("strapi", ("@strapi/strapi", "strapi"), "meta", "strapi start", 1337, None, "strapi build"),
    # https://keystonejs.com/docs/guides/cli
    Framework("keystone", ("@keystone-6/core",), "meta", "keystone start", 3000, None, "keystone build"),
    # https://docs.medusajs.com/resources/medusa-cli/commands/start
    Framework("medusa", ("@medusajs/medusa",), "meta", "medusa start", 9000, None, "medusa build"),
    # https://docs.redwoodjs.com/docs/cli-commands#serve
    Framework("redwood", ("@redwoodjs/core",), "meta", "rw serve", 8910, None, "rw build"),
    # https://blitzjs.com/docs/cli-overview
    Framework("blitz", ("blitz",), "meta", "blitz start", 3000, None, "blitz build"),
    # https://nextjs.org/docs/app/api-reference/cli/next
    Framework("next", ("next",), "meta", "next start", 3000, "out", "next build", configs=("next.config",)),
    # https://nuxt.com/docs/getting-started/deployment
    Framework("nuxt", ("nuxt", "nuxt3", "nuxt-edge"), "meta", "node .output/server/index.mjs", 3000, ".output/public",
              "nuxt build", configs=("nuxt.config",)),
    # https://svelte.dev/docs/kit/adapter-node
    Framework("sveltekit", ("@sveltejs/kit",), "meta", "node build", 3000, "build", "vite build",
              configs=("svelte.config",)),
    # https://reactrouter.com/start/framework/deploying
    Framework("react-router", ("@react-router/dev",), "meta", "react-router-serve ./build/server/index.js", 3000,
              "build/client", "react-router build", configs=("react-router.config",)),
    # https://v2.remix.run/docs/other-api/serve
    Framework("remix", ("@remix-run/dev", "@remix-run/serve"), "meta", "remix-serve ./build/server/index.js", 3000,
              "build/client", "remix vite:build", configs=("remix.config", "vite.config")),
    # https://tanstack.com/start/latest/docs/framework/react/guide/hosting
    Framework("tanstack-start", ("@tanstack/react-start", "@tanstack/solid-start"), "meta",
              "node .output/server/index.mjs", 3000, ".output/public", "vite build", configs=("vite.config",)),
    Framework("solid-start", ("@solidjs/start",), "meta", "node .output/server/index.mjs", 3000, ".output/public",
              "vinxi build", configs=("app.config",)),
    # https://docs.astro.build/en/guides/on-demand-rendering/
    Framework("astro", ("astro",), "meta", "node ./dist/server/entry.mjs", 4321, "dist", "astro build",
              configs=("astro.config",)),
    # https://angular.dev/guide/ssr
    Framework("angular", ("@angular/ssr", "@nguniversal/express-engine"), "meta", None, 4000, None, "ng build"),
    # https://docs.nestjs.com/deployment
    Framework("nestjs", ("@nestjs/core",), "meta", "node dist/main", 3000, None, "nest build"),
    # https://docs.adonisjs.com/guides/getting-started/deployment
    Framework("adonisjs", ("@adonisjs/core",), "meta", "node build/bin/server.js", 3333, None, "node ace build"),
    Framework("sails", ("sails",), "meta", "node app.js", 1337),
    # servers: the app's own program listens
    Framework("express", ("express",), "server"),
    Framework("fastify", ("fastify",), "server"),
    Framework("koa", ("koa",), "server"),
    Framework("hapi", ("@hapi/hapi",), "server"),
    Framework("hono", ("hono",), "server"),
    Framework("restify", ("restify",), "server"),
    Framework("polka", ("polka",), "server"),
    Framework("elysia", ("elysia",), "server", port=3000),
    Framework("feathers", ("@feathersjs/feathers",), "server"),
    Framework("loopback", ("@loopback/rest",), "server", port=3000),
    Framework("apollo-server", ("@apollo/server", "apollo-server"), "server"),
    Framework("graphql-yoga", ("graphql-yoga",), "server"),
    Framework("h3", ("h3",), "server"),
    Framework("json-server", ("json-server",), "server", port=3000),
    Framework("socket.io", ("socket.io",), "server"),
    Framework("ws", ("ws",), "server"),
    # static: a build that leaves files
    Framework("gatsby", ("gatsby",), "static", output="public", build="gatsby build"),
    Framework("docusaurus", ("@docusaurus/core",), "static", output="build", build="docusaurus build"),
    Framework("vitepress", ("vitepress",), "static", output=".vitepress/dist", build="vitepress build"),
    Framework("vuepress", ("vuepress",), "static", output=".vuepress/dist", build="vuepress build"),
    Framework("create-react-app", ("react-scripts",), "static", output="build", build="react-scripts build"),
    Framework("angular", ("@angular/core",), "static", output="dist", build="ng build"),
    Framework("vue-cli", ("@vue/cli-service",), "static", output="dist", build="vue-cli-service build",
              configs=("vue.config",)),
    Framework("ember", ("ember-cli",), "static", output="dist", build="ember build --environment production"),
    Framework("eleventy", ("@11ty/eleventy",), "static", output="_site", build="eleventy",
              configs=("eleventy.config", ".eleventy")),
    Framework("vite", ("vite",), "static", output="dist", build="vite build", configs=("vite.config",)),
    # https://rsbuild.rs/guide/basic/cli, https://rspack.rs/api/cli
    Framework("rsbuild", ("@rsbuild/core",), "static", output="dist", build="rsbuild build",
              configs=("rsbuild.config",)),
    Framework("rspack", ("@rspack/core", "@rspack/cli"), "static", output="dist", build="rspack build",
              configs=("rspack.config",)),
    Framework("parcel", ("parcel", "parcel-bundler"), "static", output="dist", build="parcel build"),
    Framework("webpack", ("html-webpack-plugin",), "static", output="dist", build="webpack --mode production"),
)  # fmt: skip

# Packages of programs that serve no requests: chat bots and queue consumers.
WORKER_PACKAGES = (
    "discord.js", "telegraf", "grammy", "node-telegram-bot-api", "@slack/bolt", "bullmq", "bull", "bee-queue", "agenda",
    "amqplib", "kafkajs", "node-cron", "node-schedule", "pg-boss", "graphile-worker", "tmi.js", "whatsapp-web.js",
)  # fmt: skip

# Packages of functions that a platform calls: nothing of them listens.
FUNCTION_PACKAGES = ("firebase-functions", "@azure/functions", "aws-cdk-lib")

# What users see or import, worth naming beside the framework.
LIBRARIES = (
    "react", "vue", "svelte", "solid-js", "preact", "lit", "@angular/core", "alpinejs", "htmx.org", "tailwindcss",
    "express", "fastify", "koa", "hono", "vite", "socket.io", "ws", "graphql", "@apollo/server", "@trpc/server",
    "prisma", "@prisma/client", "drizzle-orm", "typeorm", "sequelize", "mongoose", "knex", "@mikro-orm/core",
    "bullmq", "bull", "agenda", "passport", "next-auth", "better-auth", "stripe", "openai", "redux",
    "@reduxjs/toolkit", "three", "pinia", "vue-router", "react-router", "react-router-dom", "@remix-run/react",
)  # fmt: skip
LIBRARY_NAMES = {"@prisma/client": "prisma", "@angular/core": "angular", "@apollo/server": "apollo-server",
                 "@trpc/server": "trpc", "@mikro-orm/core": "mikro-orm", "@reduxjs/toolkit": "redux",
                 "htmx.org": "htmx", "@remix-run/react": "remix"}  # fmt: skip

# Programs of a developer's machine, a desktop or a phone, beside those of `roles.DEVELOPMENT`:
# (program, arguments one of which it has, or none at all)
DEVELOPMENT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("supervisor", ()), ("lite-server", ()), ("browser-sync", ()), ("react-app-rewired", ("start",)),
    ("craco", ("start",)), ("ng", ("s",)), ("ember", ("s", "server")), ("astro", ("preview",)), ("nuxt", ("preview",)),
    ("docusaurus", ("start", "serve")), ("vitepress", ("dev", "preview")), ("vuepress", ("dev",)),
    ("node", ("--inspect-brk",)), ("expo", ()), ("react-native", ()), ("electron", ()), ("electron-forge", ()),
    ("electron-vite", ()), ("tauri", ()), ("eleventy", ("--serve", "--watch")), ("tsc", ("-w", "--watch")),
    ("serverless", ("offline",)), ("sls", ("offline",)), ("medusa", ("develop",)), ("keystone", ("dev",)),
    ("blitz", ("dev",)), ("firebase", ()), ("wrangler", ("dev",)), ("vercel", ("dev",)), ("netlify", ("dev",)),
    ("sst", ("dev",)), ("func", ("start",)), ("functions-framework", ()),
)  # fmt: skip
# Programs that only serve a folder: as a start script they say "static".
FILE_SERVERS = ("serve", "http-server", "sirv", "local-web-server", "ws", "live-server", "superstatic")
# A bundler's own server, when it isn't told to build.
BUNDLERS = ("vite", "parcel", "snowpack", "rsbuild", "rspack", "farm")
BUILD_WORDS = ("build", "optimize")
# A script that runs other packages of the workspace, or several programs at once.
RUNNERS = (
    "turbo",
    "nx",
    "lerna",
    "concurrently",
    "npm-run-all",
    "run-p",
    "run-s",
    "wireit",
    "moon",
    "rush",
    "lage",
    "ultra",
)

_STEP = re.compile(r"&&|\|\||;|\|")


def steps(script: str) -> list[list[str]]:
    """A script's commands as words, without assignments, `npx`, `cross-env` and the like in front."""
    found = []
    for step in _STEP.split(script[:4000]):
        words = step.replace('"', " ").replace("'", " ").split()
        while words and (
            "=" in words[0].split("/")[0]
            or words[0] in ("npx", "bunx", "cross-env", "dotenv", "env-cmd", "exec", "env", "--", "-e", "-y")
        ):
            words = words[1:]
        if words[:2] in (["pnpm", "exec"], ["pnpm", "dlx"], ["yarn", "dlx"], ["npm", "exec"], ["bun", "x"]):
            words = words[2:]
        if words:
            words[0] = _program(words[0])
            found.append(words)
    return found


# Packages whose program has another name.
PROGRAMS = {"@11ty/eleventy": "eleventy", "@angular/cli": "ng", "@nestjs/cli": "nest"}


def _program(word: str) -> str:
    """A program's bare name: without the way to it, and without the version that `npx name@latest` asks for."""
    if word.startswith(("./node_modules", "node_modules")):
        word = word.rpartition("/")[2]
    name = word[0] + word[1:].partition("@")[0] if "@" in word[1:] else word
    return PROGRAMS.get(name, name)


def is_development(script: str) -> bool:
    """Whether a script starts a development server: one that watches sources, or a bundler's own."""
    for words in steps(script):
        program, arguments = words[0], words[1:]
        if roles.is_development(" ".join(words)):
            return True
        if program in BUNDLERS and not set(arguments) & set(BUILD_WORDS):
            return True
        if any(program == name and (not marks or set(arguments) & set(marks)) for name, marks in DEVELOPMENT):
            return True
    return False


def serves_files(script: str) -> bool:
    """Whether a script's last command only serves a folder (`serve -s build`)."""
    found = steps(script)
    return bool(found) and (found[-1][0] in FILE_SERVERS or (found[-1][0] == "vite" and "preview" in found[-1]))


def runs_members(script: str) -> bool:
    """Whether a script only runs other packages' (`turbo run start`, `pnpm -r start`, `cd web && npm start`)."""
    for words in steps(script):
        program, arguments = words[0], words[1:]
        if program in RUNNERS or program == "cd":
            return True
        if program in ("npm", "pnpm", "yarn", "bun") and any(
            a in ("-r", "--recursive", "-F", "-w", "workspace", "workspaces", "--workspaces", "-C", "--prefix", "--cwd")
            or a.startswith(("--filter", "--workspace", "--prefix=", "--cwd="))
            for a in arguments
        ):
            return True
    return False


def runs_below(source: SourceTree, root: str, script: str) -> str | None:
    """The folder with a package of its own whose program a script starts: `node server/dist/index.js` gives server."""
    for words in steps(script)[-1:]:
        path = next((word for word in words[1:] if not word.startswith("-")), "")
        if words[0] in ("node", "ts-node", "tsx", "bun", "nodemon") and "/" in path and ".." not in path:
            ups = above(folder(posixpath.normpath(join(root, path))))
            return next((up for up in ups if up != root and has_manifest(source, up) and root in above(up)), None)
    return None


def only_goes_below(script: str) -> bool:
    """Whether a script only installs and builds another folder's package (`cd client && npm ci && npm run build`)."""
    found = steps(script)
    managers = ("npm", "pnpm", "yarn", "bun", "cd")
    return bool(found) and runs_members(" ".join(found[0])) and all(words[0] in managers for words in found)


def production_script(found: Package, names: tuple[str, ...] = ("start",)) -> str | None:
    """The first of the scripts that exists and starts neither a development nor a file server."""
    for name in names:
        script = resolved(found.scripts, name)
        if script and not is_development(script) and not serves_files(script):
            return name
    return None


def candidates(found: Package) -> list[Framework]:
    """All rows whose package is there, in the table's order."""
    return [row for row in FRAMEWORKS if found.has(*row.packages)]


def framework(source: SourceTree, found: Package) -> Framework | None:
    """The framework that decides how a package is built and started, or None."""
    return once(source, f"javascript_frameworks {found.root}", lambda: _framework(source, found))


def _framework(source: SourceTree, found: Package) -> Framework | None:
    rows = candidates(found)
    meta = next((row for row in rows if row.kind == "meta" and _renders(source, found, row)), None)
    if meta:
        return meta
    server = next((row for row in rows if row.kind == "server" and _depends(found, row)), None)
    static = next((row for row in rows if row.kind == "static" and is_built(source, found, row)), None)
    if server and static:
        return server if production_script(found) or server_entry(source, found) else static
    return server or static


def _renders(source: SourceTree, found: Package, row: Framework) -> bool:
    """Whether Angular's server side is really used, rather than only to write pages while building."""
    return row.name != "angular" or angular_server(source, found) is not None


def angular_server(source: SourceTree, found: Package) -> str | None:
    """What `node` runs of an Angular application with a server side, or None.

    https://angular.dev/guide/hybrid-rendering, https://angular.dev/reference/configs/workspace-config
    """
    path = join(found.root, "angular.json")
    for name, project in list(mapping(at(source.json(path), "projects")).items())[:50]:
        targets = mapping(at(project, "architect") or at(project, "targets"))
        options = mapping(at(targets, "build", "options"))
        given = options.get("outputPath")
        output = text(at(given, "base")) or text(given) or f"dist/{name}"
        if "ssr" in options and options["ssr"] is not False and options.get("outputMode") != "static":
            return posixpath.normpath(f"{output}/{text(at(given, 'server')) or 'server'}/server.mjs")
        if "server" in targets:
            server = text(at(targets, "server", "options", "outputPath")) or f"dist/{name}/server"
            return posixpath.normpath(f"{server}/main.js")
    return None


def toolchain(source: SourceTree, found: Package) -> Literal["node", "bun"]:
    """The runtime of a package's program: Bun where Bun installs it and the program is started, or written, for Bun."""
    row = framework(source, found)
    if chosen_manager(source, found.root).name != "bun" or (row and row.kind in ("meta", "static")):
        return "node"
    started = any(words[0] == "bun" for words in steps(resolved(found.scripts, "start") or ""))
    return "bun" if started or found.has("@types/bun", "bun-types", "elysia") else "node"


def _depends(found: Package, row: Framework) -> bool:
    return any(
        found.dependencies[name].group in ("runtime", "optional") for name in row.packages if name in found.dependencies
    )


def is_built(source: SourceTree, found: Package, row: Framework) -> bool:
    """Whether a static row is really used to build a site, rather than being there for tests or a library."""
    if _is_installed(source, found):
        return False
    program = (row.build or "").split()[0]
    builds = any(program in (words[0] for words in steps(script)) for script in found.scripts.values())
    if row.name == "rspack":  # it bundles servers too
        config = config_text(source, found, row)
        return builds and (html_entry(source, found) is not None or (config is not None and "Html" in config[1]))
    if row.name in ("vite", "parcel", "webpack"):
        builds = builds or config_text(source, found, row) is not None
        return builds and html_entry(source, found) is not None
    return builds or row.name in ("create-react-app", "angular", "docusaurus")


# What makes pages part of a program that a person installs: a browser's extension, a desktop application.
INSTALLED = ("@crxjs/vite-plugin", "wxt", "plasmo", "vite-plugin-web-extension", "electron-vite", "@electron-forge/cli")


def _is_installed(source: SourceTree, found: Package) -> bool:
    """Whether what is built is for a browser's extensions or a desktop, and not for a server to hand out."""
    if found.has(*INSTALLED) or join(found.root, "src-tauri/tauri.conf.json") in source:
        return True
    if found.has("electron") and any("electron" in (w[0] for w in steps(s)) for s in found.scripts.values()):
        return True
    places = (join(found.root, name) for name in ("manifest.json", "public/manifest.json", "src/manifest.json"))
    return any(at(source.json(path), "manifest_version") is not None for path in places if path in source)


def html_entry(source: SourceTree, found: Package) -> str | None:
    """The page that a bundler starts from, or None: then it builds a library or another framework's assets."""
    inside = bundler_root(source, found)
    if inside and join(join(found.root, inside), "index.html") in source:
        return join(join(found.root, inside), "index.html")
    for name in (
        "index.html",
        "src/index.html",
        "public/index.html",
        "client/index.html",
        "app/index.html",
        "src/index.ejs",
    ):
        if join(found.root, name) in source:
            return join(found.root, name)
    return None


_ROOT = re.compile(
    r"""(?m)^\s*root\s*:\s*(?:[\w.]*resolve\(\s*__dirname\s*,\s*|[\w.]*join\(\s*__dirname\s*,\s*)?['"`]([\w./-]{1,200})['"`]"""
)


def bundler_root(source: SourceTree, found: Package) -> str | None:
    """The folder that Vite's `root` names, relative to the package; None if it names none inside."""
    vite = next(row for row in FRAMEWORKS if row.name == "vite")
    config = config_text(source, found, vite)
    match = _ROOT.search(config[1]) if config else None
    path = posixpath.normpath(match[1]) if match else "."
    return None if path.startswith(("..", "/")) or path == "." else path


ENTRIES = (
    "index",
    "server",
    "app",
    "main",
    "bot",
    "src/index",
    "src/server",
    "src/app",
    "src/main",
    "bin/www",
    "hostingstart",
)
SUFFIXES = (".js", ".mjs", ".cjs", "")


def server_entry(source: SourceTree, found: Package) -> str | None:
    """The file that `node` runs when no script says so: `main` if it exists, else an entry file by convention."""
    main = (found.main or "").removeprefix("./")
    for name in (main, *(f"{main}{suffix}" for suffix in SUFFIXES[:3]), *(f"{main}/index.js",)) if main else ():
        if ".." not in name and join(found.root, name) in source and name.endswith((".js", ".mjs", ".cjs")):
            return name
    for entry in ENTRIES:
        for suffix in SUFFIXES:
            if (suffix or entry.startswith("bin/")) and join(found.root, entry + suffix) in source:
                return entry + suffix
    return None


MAX_LONE = 20
LONE_ASIDE = frozenset({"node_modules", "static", "public", "assets", "dist", "build", "js", "test", "tests", "docs"})
_LISTENS = re.compile(r"\.listen\s*\(|createServer\s*\(|\bserve\s*\(")


def lone_programs(source: SourceTree) -> list[tuple[str, str]]:
    """Root and file of servers that stand there without any manifest: `server.js` and the like, near the top."""
    found: dict[str, str] = {}
    for name in ("server", "index", "app", "main"):
        for path in source.named(*(f"{name}{suffix}" for suffix in SUFFIXES if suffix))[:MAX_LONE]:
            root = folder(path)
            beside = any(has_manifest(source, up) for up in above(root))
            if root.count("/") > 1 or root in found or beside or set(root.split("/")) & LONE_ASIDE:
                continue
            if _LISTENS.search((source.text(path) or "")[:200_000]):
                found[root] = path.rpartition("/")[2]
    return sorted(found.items())


def config_text(source: SourceTree, found: Package, row: Framework) -> tuple[str, str] | None:
    """Path and text of a framework's configuration file, or None."""
    for name in row.configs:
        for suffix in (".ts", ".mts", ".js", ".mjs", ".cjs", ".cts"):
            path = join(found.root, name + suffix)
            content = source.text(path) if path in source else None
            if content is not None:
                return path, content[:65_536]
    return None
