"""Applications of an Nx workspace: all of them are installed and built at the workspace's top."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from autostack.core import Claim, Evidence, SourceTree, hookimpl
from autostack.core.source import join
from autostack.plugins.analyzers.manifests import node, nx
from autostack.plugins.analyzers.manifests.javascript_code import code

# Packages that a program's entry imports -> the framework that it is
IMPORTS = (("nestjs", "@nestjs/core"), ("fastify", "fastify"), ("koa", "koa"), ("hono", "hono"), ("express", "express"))
PORTS = {"nestjs": 3000, "next": 3000}


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim]:
    """How each application of an Nx workspace is installed, built, started or served."""
    claims: list[Claim] = []
    for app in nx.applications(source):
        top = node.package(source, app.top)
        if top:
            claims += _claims(source, app, top)
    return claims


def _claims(source: SourceTree, app: nx.Application, top: node.Package) -> Iterator[Claim]:
    root, chosen = app.root, node.chosen_manager(source, app.top)
    here = [Evidence(app.path, None, "a project of Nx")]
    yield Claim(root, "name", app.name, "manifest", here)
    yield Claim(root, "language", _language(source, root), "manifest", here)
    yield Claim(root, "node.root", app.top, "manifest", here)
    yield Claim(root, "node.install_command", node.install_command(chosen), "convention", here)
    build = node.execute(chosen.name, f"nx run {app.name}:build")
    yield Claim(root, "node.build_command", build, "convention", here)
    if app.kind == "pages":
        framework = "angular" if top.has("@angular/core") else "vite" if top.has("vite") else "webpack"
        yield Claim(root, "framework", framework, "convention", here)
        yield Claim(root, "static_dir", app.output, "convention", here)
        yield Claim(root, "node.output_dir", app.output, "convention", here)
        return
    yield Claim(root, "uses", [app.top], "manifest", here)
    yield Claim(root, "processes.web.kind", "web", "convention", here)
    yield Claim(root, "processes.web.command", _start(app, chosen.name), "convention", here)
    imported = "next" if app.kind == "next" else _imported(source, app)
    if imported:
        yield Claim(root, "framework", imported, "convention", here)
        if imported in PORTS:
            yield Claim(root, "port", PORTS[imported], "convention", here)
            yield Claim(root, "port_env", "PORT", "convention", here)
    if app.kind == "program":
        for listen in code(source, root).listens[:1]:
            evidence = [Evidence(listen.path, listen.line, "listens on it")]
            if listen.port:
                yield Claim(root, "port", listen.port, "manifest", evidence)
            if listen.env:
                yield Claim(root, "port_env", listen.env, "manifest", evidence)


def _start(app: nx.Application, manager: str) -> str:
    if app.kind == "next":
        return node.execute(manager, "next start" if app.runs_in_place else f"next start {app.output}")
    name = posixpath.splitext(posixpath.basename(app.main or "main.ts"))[0]
    return f"node {app.output}/{name}.js"


def _imported(source: SourceTree, app: nx.Application) -> str | None:
    content = (source.text(join(app.root, app.main)) or "")[:65_536] if app.main else ""
    return next((name for name, package in IMPORTS if f"'{package}'" in content or f'"{package}"' in content), None)


def _language(source: SourceTree, root: str) -> str:
    typed = any(path.endswith((".ts", ".tsx", ".mts")) for path in source.below(root))
    return "typescript" if typed else "javascript"
