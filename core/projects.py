"""Projects and what became of their sources: uploads, analyses, bundles, and the variables that the user gave.

Every loader takes the user: what belongs to somebody else is not found.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autostack.core import ids
from autostack.core.bus import Bus, Emit, dropped, superseded
from autostack.core.database import Refused, Row, Statement, Value
from autostack.core.errors import Conflict, InputRefused, LimitReached, NotFound
from autostack.core.keys import Vault
from autostack.core.model import Analysis, Bundle
from autostack.core.settings import Settings

if TYPE_CHECKING:
    from autostack.core.archive import Received

NAME_LENGTH = 100
VARIABLES = 200  # of one project
VALUE_LENGTH = 32_768
SOURCES = 10  # of one project whose archives are kept, besides those that were released

CREATE = """
insert into projects (id, user_id, name, folder, created_at)
select :id, :user, :name, :folder, :now
where (:mine is null or (select count(*) from projects where user_id = :user and deleted_at is null) < :mine)
  and (:all is null or (select count(*) from projects where deleted_at is null) < :all)"""

OWNED = """
select {table}.* from {table} join projects on projects.id = {table}.project_id
where {table}.id = :id and projects.user_id = :user and projects.deleted_at is null"""

# an older upload whose source nothing needs: not the newest ones, nor what was or may be released
DROP_SOURCE = """
update uploads set status = 'dropped' where id = :upload and status = 'accepted'
and id not in (select id from uploads where project_id = :project order by created_at desc, id limit :kept)
and id not in (select code_analyses.upload_id from releases join bundles on bundles.id = releases.bundle_id
  join code_analyses on code_analyses.id = bundles.analysis_id
  join deployments on deployments.id = releases.deployment_id
  where bundles.project_id = :project and deployments.destroyed_at is null and releases.status <> 'superseded')"""

SET_VARIABLE = """
insert into variables (project_id, name, value, created_at)
select :project, :name, :value, :now
where (select count(*) from variables where project_id = :project and name <> :name) < :limit
on conflict (project_id, name) do update set value = excluded.value, created_at = excluded.created_at"""


@dataclass(frozen=True)
class ProjectRecord:
    """A project as its owner sees it. `current_*` are the newest that are done."""

    id: str
    name: str
    status: str
    folder: str | None
    current_upload: str | None
    current_analysis: str | None
    current_bundle: str | None
    created_at: str


@dataclass(frozen=True)
class UploadRecord:
    """An accepted source. `sha256` names its content, `size` is that of the stored archive in bytes.

    `status`: accepted; dropped once the archive is no longer kept.
    """

    id: str
    project: str
    filename: str | None
    sha256: str
    size: int
    unpacked: int
    files: int
    status: str
    created_at: str


@dataclass(frozen=True)
class AnalysisRecord:
    """One analysis of one upload. `status`: done, incomplete."""

    id: str
    project: str
    upload: str
    status: str
    created_at: str
    results: Analysis


@dataclass(frozen=True)
class BundleRecord:
    """The files, architectures and costs of one analysis."""

    id: str
    project: str
    analysis: str
    status: str
    created_at: str
    results: Bundle


class Projects:
    """The tables `projects`, `uploads`, `code_analyses`, `bundles` and `variables`."""

    def __init__(self, bus: Bus, settings: Settings, vault: Vault) -> None:
        self._bus = bus
        self._settings = settings
        self._vault = vault

    # ---- projects

    async def create(self, user: str, name: str, folder: Path | None = None) -> ProjectRecord:
        """A new project; InputRefused for a name that is none, LimitReached at the owner's limits."""
        name = _clean_name(name)
        limits = self._settings.limits
        project = ids.new_id()
        values = {
            "id": project,
            "user": user,
            "name": name,
            "folder": None if folder is None else str(folder),
            "now": ids.now(),
            "mine": limits.projects_per_user,
            "all": limits.projects,
        }
        refusal = LimitReached(
            f"a user may have {limits.projects_per_user} projects, all together {limits.projects}: delete one first",
            limit=limits.projects_per_user,
            of="projects",
        )
        await self._bus.commit(
            Statement(CREATE, values, rows=1, refusal=refusal),
            Emit("project.created", {"project": project, "name": name}, project),
        )
        return await self.get(user, project)

    async def get(self, user: str, project: str) -> ProjectRecord:
        """NotFound if the user has no such project."""
        row = await self._bus.database.fetch_one(
            "select * from projects where id = :id and user_id = :user and deleted_at is null",
            {"id": project, "user": user},
        )
        if row is None:
            raise NotFound("there is no such project")
        return _project(row)

    async def of_folder(self, user: str, folder: Path) -> ProjectRecord | None:
        """The command line's project of a folder (a real path)."""
        row = await self._bus.database.fetch_one(
            "select * from projects where folder = :folder and user_id = :user and deleted_at is null",
            {"folder": str(folder), "user": user},
        )
        return _project(row) if row else None

    async def all(self, user: str) -> list[ProjectRecord]:
        """All projects of a user, oldest first."""
        rows = await self._bus.database.fetch_all(
            "select * from projects where user_id = :user and deleted_at is null order by created_at, id",
            {"user": user},
        )
        return [_project(row) for row in rows]

    async def delete(self, user: str, project: str) -> None:
        """Delete a project and its archives; Conflict while a deployment is live."""
        await self.get(user, project)
        uploads = await self._bus.database.fetch_all(
            "select id from uploads where project_id = :project", {"project": project}
        )
        live = Conflict("the project has a live deployment: destroy it first")
        await self._bus.commit(
            Statement(
                "update projects set deleted_at = :now, folder = null where id = :id and deleted_at is null"
                " and not exists (select 1 from deployments where project_id = :id and destroyed_at is null)",
                {"now": ids.now(), "id": project},
                rows=1,
                refusal=live,
            ),
            Statement("delete from variables where project_id = :id", {"id": project}),
            *dropped(project, "project deleted"),
            Emit("project.deleted", {"project": project}, project),
        )
        for row in uploads:
            self.archive(str(row["id"])).unlink(missing_ok=True)

    # ---- uploads

    async def sweep(self) -> None:
        """At start: remove archives that no living upload is kept in, as a crash between file and row leaves them.

        A database without any upload is a new one, or not the one that belongs here: then all archives stay.
        """
        if await self._bus.database.fetch_one("select id from uploads limit 1") is None:
            return
        rows = await self._bus.database.fetch_all(
            "select uploads.id from uploads join projects on projects.id = uploads.project_id"
            " where projects.deleted_at is null and uploads.status = 'accepted'"
        )
        known = {str(row["id"]) for row in rows}
        folder = self._settings.archives
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix == ".zip" and ids.is_id(path.stem) and path.stem not in known:
                path.unlink(missing_ok=True)

    def archive(self, upload: str) -> Path:
        """Where an upload's archive is kept."""
        return self._settings.archives / f"{upload}.zip"

    async def accept(
        self, user: str, project: str, received: Received, stored: Path, filename: str | None
    ) -> tuple[UploadRecord, int]:
        """Take an archive that was read and stored (synced) under another name: rows, event and status in one unit.

        Gives the upload and the id of its `project.uploaded`. Newer work supersedes what was queued for older uploads.
        """
        await self.get(user, project)
        upload = ids.new_id()
        place = self.archive(upload)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        await asyncio.to_thread(_move, stored, place)
        values = {
            "id": upload,
            "project": project,
            "filename": filename,
            "sha256": received.sha256,
            "size": received.size,
            "unpacked": received.unpacked,
            "files": received.files,
            "now": ids.now(),
        }
        try:
            found = await self._bus.commit(
                Statement(
                    "insert into uploads (id, project_id, filename, sha256, size, unpacked, files, created_at)"
                    " values (:id, :project, :filename, :sha256, :size, :unpacked, :files, :now)",
                    values,
                ),
                Statement(
                    "update projects set current_upload = :upload, status = 'analyzing'"
                    " where id = :project and deleted_at is null",
                    {"upload": upload, "project": project},
                    rows=1,
                    refusal=NotFound("there is no such project"),
                ),
                *superseded("project.uploaded", project=project),
                *superseded("analysis.done", project=project),
                Emit("project.uploaded", {"project": project, "upload": upload}, project),
            )
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        await self._drop_sources(project)
        return await self.upload(user, upload), int(str(found["event_0"]))

    async def upload(self, user: str, upload: str) -> UploadRecord:
        """NotFound if the user has no such upload."""
        return _upload(await self._owned("uploads", user, upload, "upload"))

    async def uploads(self, user: str, project: str) -> list[UploadRecord]:
        """A project's uploads, newest first."""
        await self.get(user, project)
        rows = await self._bus.database.fetch_all(
            "select * from uploads where project_id = :project order by created_at desc, id", {"project": project}
        )
        return [_upload(row) for row in rows]

    async def _drop_sources(self, project: str) -> None:
        """Remove archives of older uploads that nothing needs: a disk has an end, uploading has none."""
        rows = await self._bus.database.fetch_all(
            "select id from uploads where project_id = :project and status = 'accepted'"
            " order by created_at desc, id limit -1 offset :kept",
            {"project": project, "kept": SOURCES},
        )
        for row in rows:
            values: dict[str, Value] = {"upload": row["id"], "project": project, "kept": SOURCES}
            try:
                await self._bus.commit(Statement(DROP_SOURCE, values, rows=1))
            except Refused:
                continue  # it was released
            self.archive(str(row["id"])).unlink(missing_ok=True)

    # ---- analyses and bundles

    async def analysis(self, user: str, analysis: str) -> AnalysisRecord:
        """NotFound if the user has no such analysis."""
        return _analysis(await self._owned("code_analyses", user, analysis, "analysis"))

    async def analyses(self, user: str, project: str) -> list[AnalysisRecord]:
        """A project's analyses, newest first."""
        await self.get(user, project)
        rows = await self._bus.database.fetch_all(
            "select * from code_analyses where project_id = :project order by created_at desc, id", {"project": project}
        )
        return [_analysis(row) for row in rows]

    async def bundle(self, user: str, bundle: str) -> BundleRecord:
        """NotFound if the user has no such bundle."""
        return _bundle(await self._owned("bundles", user, bundle, "bundle"))

    async def current_bundle(self, user: str, project: str) -> BundleRecord:
        """The bundle of the project's newest analysis; Conflict if there is none yet."""
        record = await self.get(user, project)
        if record.current_bundle is None:
            raise Conflict(f"nothing has been generated yet: the project is {record.status}")
        return await self.bundle(user, record.current_bundle)

    # ---- variables

    async def set_variables(self, user: str, project: str, values: dict[str, str]) -> None:
        """Store the application's own variables, encrypted; InputRefused names the one that is wrong."""
        await self.get(user, project)
        statements = []
        for name, value in sorted(values.items()):
            if not (name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit() and len(name) <= 200):
                raise InputRefused(f"{name[:50]!r} is no name of a variable: letters, digits and _ only")
            if "\0" in value or len(value) > VALUE_LENGTH or not _is_unicode(value):
                wrong = f"is over {VALUE_LENGTH} characters, holds a NUL, or isn't Unicode"
                raise InputRefused(f"the value of {name} {wrong}")
            sealed = self._vault.seal(f"{project}/{name}", value)
            parameters: dict[str, Value] = {
                "project": project,
                "name": name,
                "value": sealed,
                "now": ids.now(),
                "limit": VARIABLES,
            }
            refusal = LimitReached(f"a project may have {VARIABLES} variables", limit=VARIABLES, of="variables")
            statements.append(Statement(SET_VARIABLE, parameters, rows=1, refusal=refusal))
        if statements:
            await self._bus.commit(*statements, Emit("project.variables", {"names": sorted(values)}, project))

    async def unset_variable(self, user: str, project: str, name: str) -> None:
        """NotFound if there is no such variable."""
        await self.get(user, project)
        await self._bus.commit(
            Statement(
                "delete from variables where project_id = :project and name = :name",
                {"project": project, "name": name},
                rows=1,
                refusal=NotFound(f"there is no variable {name[:50]!r}"),
            )
        )

    async def variable_names(self, user: str, project: str) -> list[str]:
        """The names alone: values are never given back."""
        await self.get(user, project)
        rows = await self._bus.database.fetch_all(
            "select name from variables where project_id = :project order by name", {"project": project}
        )
        return [str(row["name"]) for row in rows]

    async def open_variables(self, project: str) -> dict[str, str]:
        """Names and values, for a deployer alone."""
        rows = await self._bus.database.fetch_all(
            "select name, value from variables where project_id = :project order by name", {"project": project}
        )
        return {
            str(row["name"]): self._vault.open(f"{project}/{row['name']!s}", bytes(row["value"]))
            for row in rows
            if isinstance(row["value"], bytes)
        }

    async def _owned(self, table: str, user: str, entity: str, what: str) -> Row:
        row = await self._bus.database.fetch_one(OWNED.format(table=table), {"id": entity, "user": user})
        if row is None:
            raise NotFound(f"there is no such {what}")
        return row


def _clean_name(name: str) -> str:
    clean = " ".join(name.split())
    if not clean or len(clean) > NAME_LENGTH or not clean.isprintable():
        raise InputRefused(f"a project's name is 1 to {NAME_LENGTH} printable characters")
    return clean


def _is_unicode(text: str) -> bool:
    """Half a surrogate can't be written in any encoding."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _move(stored: Path, place: Path) -> None:
    stored.replace(place)
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the name is on disk before a row refers to it
    finally:
        os.close(folder)


def _text(row: Row, name: str) -> str | None:
    return None if row[name] is None else str(row[name])


def _project(row: Row) -> ProjectRecord:
    return ProjectRecord(
        id=str(row["id"]),
        name=str(row["name"]),
        status=str(row["status"]),
        folder=_text(row, "folder"),
        current_upload=_text(row, "current_upload"),
        current_analysis=_text(row, "current_analysis"),
        current_bundle=_text(row, "current_bundle"),
        created_at=str(row["created_at"]),
    )


def _upload(row: Row) -> UploadRecord:
    return UploadRecord(
        id=str(row["id"]),
        project=str(row["project_id"]),
        filename=_text(row, "filename"),
        sha256=str(row["sha256"]),
        size=int(str(row["size"])),
        unpacked=int(str(row["unpacked"])),
        files=int(str(row["files"])),
        status=str(row["status"]),
        created_at=str(row["created_at"]),
    )


def _analysis(row: Row) -> AnalysisRecord:
    return AnalysisRecord(
        id=str(row["id"]),
        project=str(row["project_id"]),
        upload=str(row["upload_id"]),
        status=str(row["status"]),
        created_at=str(row["created_at"]),
        results=msgspec.json.decode(str(row["results"]), type=Analysis),
    )


def _bundle(row: Row) -> BundleRecord:
    return BundleRecord(
        id=str(row["id"]),
        project=str(row["project_id"]),
        analysis=str(row["analysis_id"]),
        status=str(row["status"]),
        created_at=str(row["created_at"]),
        results=msgspec.json.decode(str(row["results"]), type=Bundle),
    )
