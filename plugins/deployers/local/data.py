"""What must outlive a release: files of the source that are kept in the workspace's `data` instead.

`data` mirrors the source: what the application writes to `backend/media` lies in `data/backend/media`, and each
release's copy of the source has a link there. A variable that names the place is set to it as well.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from autostack.core.model import Analysis, Service

FOLDER_NAMES: Final = frozenset({
    "DATA_DIR", "DATA_PATH", "DATA_FOLDER", "DATA_ROOT", "STORAGE_DIR", "STORAGE_PATH", "UPLOAD_DIR", "UPLOADS_DIR",
    "UPLOAD_FOLDER", "UPLOAD_PATH", "MEDIA_ROOT", "MEDIA_DIR", "STATE_DIR",
})  # fmt: skip
FILE_NAMES: Final = frozenset({
    "DATABASE_PATH", "DATABASE_FILE", "DB_PATH", "DB_FILE", "SQLITE_PATH", "SQLITE_FILE", "SQLITE_DB",
    "SQLITE_DATABASE",
})  # fmt: skip

_SQLITE_URL = re.compile(r"(sqlite3?(?:\+[a-z0-9]+)?:///|file:)(.*)", re.IGNORECASE)
_CODE = frozenset({
    ".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".rb", ".php", ".go", ".rs", ".java", ".kt", ".ex", ".cs",
})  # fmt: skip


def place(service: Service, analysis: Analysis, source: Path, data: Path) -> list[str]:
    """Link the service's volumes of one release's source into `data`; what the source brings is the first content.
    Folders that its variables name are made.

    Gives warnings: places that can't be kept.
    """
    warnings = []
    done: list[Path] = []
    for volume in sorted(service.volumes, key=lambda v: (v.path.count("/"), v.path)):
        inside = _inside(service.root, volume.path)
        if volume.purpose == "cache" or inside is None:
            if volume.path.startswith("/"):
                warnings.append(
                    f"{volume.path} is outside of the application's folder: what is written there isn't kept"
                )
            continue
        here = source / inside
        if inside == Path() or any(here.is_relative_to(other) for other in done):
            continue
        if here.is_dir() and _holds_code(here):
            warnings.append(f"{inside} holds code as well as data: what is written there ends with the release")
            continue
        done.append(here)
        _link(here, data / inside, folder=_is_folder(here, volume.path))
    for folder in {folder for _, folder in _places(service, analysis, data).values()}:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return warnings


def variables(service: Service, analysis: Analysis, data: Path) -> dict[str, str]:
    """Variables that name a place for data, set to the place inside `data`."""
    return {name: value for name, (value, _) in _places(service, analysis, data).items()}


def _places(service: Service, analysis: Analysis, data: Path) -> dict[str, tuple[str, Path]]:
    """By variable: its value, and the folder that must be there."""
    found: dict[str, tuple[str, Path]] = {}
    databases = {
        env.name: env.part
        for resource in analysis.resources
        if resource.kind == "sqlite" and service.root in resource.used_by
        for env in resource.env
    }
    for env in service.env:
        if env.name in FOLDER_NAMES:
            folder = _kept(service.root, env.default or "data", data)
            found[env.name] = (str(folder), folder)
        elif databases.get(env.name) == "url":
            url, file = _url(service, env.default, data)
            if url is not None:
                found[env.name] = (url, file.parent)
        elif env.name in FILE_NAMES or (databases.get(env.name) == "database" and _is_path(env.default)):
            file = _kept(service.root, env.default or "data/app.db", data)
            found[env.name] = (str(file), file.parent)
    return found


def _url(service: Service, default: str | None, data: Path) -> tuple[str | None, Path]:
    if default is None:
        scheme, path = ("file:" if "prisma" in service.libraries else "sqlite:///"), "data/app.db"
    elif (match := _SQLITE_URL.fullmatch(default)) is not None:
        scheme, path = match[1], match[2].partition("?")[0]
    else:
        return None, data
    if path in ("", ":memory:"):
        return None, data
    file = _kept(service.root, path, data)
    return f"{scheme}{file}", file


def _kept(root: str, path: str, data: Path) -> Path:
    inside = _inside(root, path)
    if inside is not None:
        return data / inside
    return data / "elsewhere" / Path(*(part for part in PurePosixPath(path).parts if part not in ("/", "..")))


def _inside(root: str, path: str) -> Path | None:
    """The path relative to the source's top, or None if it leaves it."""
    if path.startswith(("/", "~")) or "\0" in path or "$" in path:
        return None
    parts: list[str] = []
    for part in PurePosixPath(root, path).parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return Path(*parts)


def _is_path(text: str | None) -> bool:
    return text is not None and ("/" in text or "." in text) and "://" not in text


def _is_folder(here: Path, path: str) -> bool:
    if here.exists():
        return here.is_dir()
    return path.endswith("/") or not PurePosixPath(path).suffix


def _holds_code(folder: Path) -> bool:
    return any(file.suffix in _CODE for file in folder.rglob("*"))


def _link(here: Path, kept: Path, *, folder: bool) -> None:
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    here.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not kept.exists() and here.is_dir():
        shutil.copytree(here, kept)
    elif not kept.exists() and here.is_file():
        shutil.copy2(here, kept)
    elif folder:
        kept.mkdir(mode=0o700, exist_ok=True)
    if here.is_dir() and not here.is_symlink():
        shutil.rmtree(here)
    else:
        here.unlink(missing_ok=True)
    here.symlink_to(kept, target_is_directory=folder)
