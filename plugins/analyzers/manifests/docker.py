"""What an image built from the source runs: which folder's code, which pages, on which ports."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from autostack.core import roles
from autostack.core.model import Build
from autostack.core.source import SourceTree, above, folder, join
from autostack.plugins.analyzers.manifests import images
from autostack.plugins.analyzers.manifests.dockerfiles import Copy, Dockerfile, Stage, dockerfile, is_for_development
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.roots import has_manifest, toolchains
from autostack.plugins.analyzers.manifests.roots import named as named_roots

# Where the images of file servers look for what they serve.
WEB_FOLDERS = ("/usr/share/nginx/html", "/usr/share/caddy", "/srv", "/var/www/html", "/usr/local/apache2/htdocs",
               "/public",
               "/app/public", "/etc/nginx/html", "/var/www")  # fmt: skip
# Words in a folder's name -> what its content is for
VOLUME_PURPOSES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("upload", "media", "files", "attachments", "images", "storage"), "uploads"),
    (("postgres", "mysql", "mongo", "sqlite", "database", "db"), "database"),
    (("cache", "tmp"), "cache"),
)
_PATH_IN_URL = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::[^/\s\"']{1,40})?(/[^\s\"'|;)\\]{0,200})")


class Place(NamedTuple):
    """Which folder's code an image runs, and the folder that is sent to the builder."""

    root: str
    context: str


def place(source: SourceTree, path: str, context: str | None = None, target: str | None = None) -> Place:
    """The root of a Dockerfile: its folder if that has a manifest, else the only manifest folder that it copies, else
    its context. Without a given context that is the nearest folder, from the Dockerfile's up, which has what it copies.
    """
    found = dockerfile(source, path)
    here = folder(path)
    if context is None:
        context = _guessed_context(source, found, here)
    copied = copied_roots(source, found.stage(target), context) if found else []
    if found and not copied:
        copied = sorted({root for stage in found.stages for root in copied_roots(source, stage, context)})
    named = _named_by_command(source, found, context, target) if found else None
    named = named or (_named_by_filter(source, found, context, target) if found else None)
    if named:
        return Place(named, context)
    above_here = any(root == "." or here.startswith(root + "/") for root in copied)
    if has_manifest(source, here) and (here == context or here in copied or above_here or not copied):
        return Place(here, context)
    if len(copied) == 1:
        return Place(copied[0], context)
    return Place(context, context)


def _named_by_command(source: SourceTree, found: Dockerfile, context: str, target: str | None) -> str | None:
    """The member of a workspace that an image at the workspace's top starts: `node apps/api/dist/main.js`."""
    stage = found.stage(target if target else found.target)
    words = (stage.command or "").replace("=", " ").split()
    for root in sorted(toolchains(source), key=lambda root: (-root.count("/"), root)):
        inside = posixpath.relpath(root, context)
        if inside.startswith("..") or inside == ".":
            continue
        if any(word.removeprefix("./") == inside or word.removeprefix("./").startswith(inside + "/") for word in words):
            return root
        if stage.workdir.endswith("/" + inside):
            return root
    return None


_FILTER = re.compile(
    r"(?:--filter[= ]|--scope[= ]|--workspace[= ]|-w |prune (?:--\S+ )?|workspace |nx (?:run |build ))"
    r"['\"{]{0,2}([\w@./-]{1,100})"
)


def _named_by_filter(source: SourceTree, found: Dockerfile, context: str, target: str | None) -> str | None:
    """The member of a workspace that a stage is named or works for, and that a step builds alone.

    `RUN pnpm deploy --filter=server --prod /prod/server`, then `WORKDIR /prod/server`.
    """
    stage = found.stage(target if target else found.target)
    built = {match[1].rstrip("./") for one in found.stages for run in one.runs for match in _FILTER.finditer(run)}
    for name in (target or "", posixpath.basename(stage.workdir)):
        root = (
            named_roots(source).get(name.lower())
            if name and name in {one.rpartition("/")[2] for one in built}
            else None
        )
        if root and root != context and (context == "." or root.startswith(context + "/")):
            return root
    return None


def copied_roots(source: SourceTree, stage: Stage, context: str) -> list[str]:
    """The folders with a manifest whose content a stage copies straight from the context."""
    roots: list[str] = []
    for copy in stage.copies:
        for path in copy.sources if copy.stage is None else ():
            inside = (
                context if path in (".", "*", "./") else posixpath.normpath(join(context, path.rstrip("/*") or "."))
            )
            inside = inside if inside in _folders(source) else folder(inside)
            if has_manifest(source, inside) and inside not in roots:
                roots.append(inside)
    return roots


# Folders that only hold files for building: their Dockerfiles are about the folder above.
BUILD_FOLDERS = (
    "docker",
    ".docker",
    "dockerfiles",
    "deploy",
    "deployment",
    "build",
    "ci",
    "container",
    "containers",
    "infra",
)


def _guessed_context(source: SourceTree, found: Dockerfile | None, here: str) -> str:
    """The folder that has most of what is copied; among equals one with a manifest, then the nearest."""
    copies = [copy for stage in found.stages for copy in stage.copies if copy.stage is None] if found else []
    wanted = {path for copy in copies for path in copy.sources if path != "."}
    wanted = {path for path in wanted if not set("*?[$") & set(path) and not path.startswith("..")}
    best, most = here, (-1, False)
    for up in above(here):
        have = sum(join(up, path) in source or join(up, path) in _folders(source) for path in wanted)
        if (have, has_manifest(source, up)) > most:
            best, most = up, (have, has_manifest(source, up))
    if most == (0, False) and here.rpartition("/")[2] in BUILD_FOLDERS:
        return folder(here)
    return best


def _folders(source: SourceTree) -> frozenset[str]:
    return once(source, "docker.folders", lambda: frozenset(up for path in source.files for up in above(folder(path))))


def production_target(found: Dockerfile, target: str | None) -> str | None:
    """The stage to build: the named one; the last one, where that is for production and the named one is not."""
    if target is None or not _is_for_development(found.stage(target)):
        return target
    final = found.stage(found.target)
    runs = final.command is not None or serves_files(found, found.target)
    return found.target if runs and not _is_for_development(final) else target


def _is_for_development(stage: Stage) -> bool:
    return is_for_development(stage.name) or (stage.command is not None and roles.is_development(stage.command))


def typed_in(where: Place, found: Dockerfile, target: str | None = None) -> str | None:
    """A stage's command as it is typed in the root: without the way to it, where the image works in the context, and
    with the folder of a build in front of what was copied out of it."""
    stage = found.stage(target)
    if stage.command is None:
        return None
    command = _before_copied(found, stage)
    inside = posixpath.relpath(where.root, where.context)
    if inside == "." or inside.startswith("..") or stage.workdir.endswith("/" + inside):
        return command
    return re.sub(rf"(?<![\w.=:/-])(?:\./)?{re.escape(inside)}/(?=[\w.])", "", command)


_PROGRAM = re.compile(r"(?:[\w.-]+/){0,20}[\w.-]+\.(?:js|mjs|cjs)")


def _before_copied(found: Dockerfile, stage: Stage) -> str:
    """`node server.js` of an image into which `COPY --from=build /app/dist ./` put it: `node dist/server.js`."""
    words = (stage.command or "").split(" ")
    for at, word in enumerate(words):
        if not _PROGRAM.fullmatch(word):
            continue
        wanted = posixpath.normpath(posixpath.join(stage.workdir, word))
        for copy in sorted(stage.copies, key=lambda copy: -len(copy.to)):
            to = copy.to.rstrip("/") or "/"
            if not wanted.startswith(to.rstrip("/") + "/"):
                continue
            if copy.stage and len(copy.sources) == 1 and copy.sources[0].startswith("/"):
                origin = found.stage(copy.stage) if _is_stage(found, copy.stage) else None
                built = inside(copy.sources[0], origin.workdir) if origin else None
                if built and not built.startswith("/"):
                    words[at] = posixpath.normpath(posixpath.join(built, wanted[len(to.rstrip("/")) + 1 :]))
            if posixpath.basename(to) != wanted.rpartition("/")[2]:
                break
    return " ".join(words)


def _is_stage(found: Dockerfile, name: str) -> bool:
    return any((stage.name or "").lower() == name.lower() for stage in found.stages)


def serves_files(found: Dockerfile, target: str | None = None) -> bool:
    """Whether the image is a web server's that hands out files, and is started as that image is."""
    stage = found.stage(target)
    return images.image(stage.image).is_called(*images.FILE_SERVERS) and (
        stage.command is None or roles.is_static_server(stage.command)
    )


# What a file server's configuration listens on: `listen 8080 default_server;`, `listen [::]:80;`; a site of Caddy's.
_NGINX_LISTEN = re.compile(r"(?m)^\s*(?:server\s*\{\s*)?listen\s+(?:[\w.\[\]:*]{1,40}:)?(\d{2,5})\b")
_CADDY_SITE = re.compile(r"(?m)^\s*(?:https?://)?[\w.*-]{0,60}:(\d{2,5})\s*(?:\{|,|$)")


def listens(
    stage: Stage, source: SourceTree | None = None, context: str = "."
) -> list[tuple[int, Literal["tcp", "udp"], int]]:
    """The ports of a stage, with the line that says so: what it exposes, else what its web server listens on, by its
    configuration or as usual."""
    usual = next(
        (port for name, port in images.FILE_SERVERS.items() if images.image(stage.image).is_called(name)), None
    )
    if stage.ports or usual is None:
        return stage.ports
    for copy in stage.copies if source else ():
        for path in (join(context, one) for one in copy.sources if copy.stage is None):
            expression = _CADDY_SITE if path.endswith("Caddyfile") else _NGINX_LISTEN if ".conf" in path else None
            match = expression.search((source.text(path) or "")[:20_000]) if source and expression else None
            if match and 0 < int(match[1]) < 65_536:
                return [(int(match[1]), "tcp", copy.line)]
    return [(usual, "tcp", stage.line)]


def served(found: Dockerfile, target: str | None = None) -> Copy | None:
    """The COPY that puts what is served into a file server's image."""
    return next((copy for copy in reversed(found.stage(target).copies) if _is_web_folder(copy.to)), None)


def _is_web_folder(path: str) -> bool:
    return any(path == place or path.startswith(place + "/") for place in WEB_FOLDERS)


def is_store(found: Dockerfile) -> bool:
    """Whether the image only sets a data store up (`FROM postgres`, `COPY init.sql …`)."""
    return images.store(found.stage().image) is not None


def is_proxy(source: SourceTree, found: Dockerfile, where: Place) -> bool:
    """Whether the image is a web server with nothing but its settings: a proxy, no site. Or another tool's image."""
    base = images.image(found.stage().image)
    if images.auxiliary(base.name) and not base.is_called(*images.FILE_SERVERS):
        return True
    if not serves_files(found) or has_manifest(source, where.root):
        return False
    copy = served(found)
    pages = copy is not None and any(path.endswith((".html", ".htm")) for path in source.below(where.root))
    return not pages and (copy is None or copy.stage is None)


def build(path: str, where: Place, target: str | None, args: Sequence[str]) -> Build:
    """The claim's value for a Dockerfile."""
    return Build(context=where.context, dockerfile=path, target=target, args=sorted(set(args)))


# ---------------------------------------------------------------------------------------------- paths and health checks


def health_path(check: str | None) -> str | None:
    """The path that a health check asks on the container itself, or None."""
    match = _PATH_IN_URL.search(check or "")
    return match[1].partition("?")[0].rstrip(",") if match else None


def inside(path: str, workdir: str) -> str | None:
    """A container's path as seen from where the code runs: below WORKDIR relative, else absolute. None if unknown."""
    plain = path.strip().rstrip("/")
    if not plain or "$" in plain or plain == workdir:
        return None
    if not plain.startswith("/"):
        return posixpath.normpath(plain)
    if workdir != "/" and plain.startswith(workdir.rstrip("/") + "/"):
        return plain[len(workdir.rstrip("/")) + 1 :]
    return posixpath.normpath(plain)


def purpose(path: str) -> str:
    """What a volume's folder is for, by the last words of its path."""
    last = "/".join(path.lower().split("/")[-2:])
    return next((found for words, found in VOLUME_PURPOSES if any(word in last for word in words)), "state")
