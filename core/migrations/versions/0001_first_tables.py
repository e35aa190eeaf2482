"""First tables: people and projects, what became of their sources, where they run, and the event log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(16), primary_key=True)


def _text(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null, server_default=default)


def _number(name: str, *, null: bool = False, default: int | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null, server_default=None if default is None else str(default))


def _of(table: str, name: str | None = None, *, null: bool = False) -> sa.Column[str]:
    column = name or table.removesuffix("s") + "_id"
    return sa.Column(column, sa.String(16), sa.ForeignKey(f"{table}.id"), nullable=null, index=True)


def upgrade() -> None:
    op.create_table(
        "users",
        _id(),
        _text("email"),
        _text("password_hash", null=True),
        _text("subscription_tier", default="free"),
        _text("role", default="user"),
        _text("status", default="active"),
        _number("token_epoch", default=0),
        _text("created_at"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "projects",
        _id(),
        _of("users"),
        _text("name"),
        _text("folder", null=True),
        _text("status", default="created"),
        _text("current_upload", null=True),
        _text("current_analysis", null=True),
        _text("current_bundle", null=True),
        _text("created_at"),
        _text("deleted_at", null=True),
    )
    alive = sa.text("deleted_at is null")
    op.create_index(
        "projects_folder", "projects", ["user_id", "folder"], unique=True, sqlite_where=alive, postgresql_where=alive
    )
    op.create_table(
        "uploads",
        _id(),
        _of("projects"),
        _text("filename", null=True),
        _text("sha256"),
        _number("size"),
        _number("unpacked"),
        _number("files"),
        _text("status", default="accepted"),
        _text("created_at"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        _text("name"),
        _number("version", default=1),
        _of("projects", null=True),
        _text("deployment_id", null=True),
        _text("lane", null=True),
        _text("status", default="fact"),
        _text("payload", default="{}"),
        _number("attempt", default=0),
        _text("available_at", null=True),
        _text("deadline", null=True),
        _text("cancel_requested_at", null=True),
        _text("plugin_revision", null=True),
        _text("reason", null=True),
        _number("cause", null=True),
        _text("created_at"),
        sqlite_autoincrement=True,
    )
    waiting = sa.text("status in ('queued', 'running', 'unknown')")
    op.create_index("events_waiting", "events", ["lane", "id"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Integer, sa.ForeignKey("events.id"), nullable=False, index=True),
        _number("attempt"),
        _text("hook"),
        _number("call"),
        _text("plugin"),
        _text("revision", null=True),
        sa.Column("duration_ms", sa.Float, nullable=False),
        _text("error", null=True),
        _text("created_at"),
    )
    op.create_table(
        "code_analyses",
        _id(),
        _of("projects"),
        _of("uploads"),
        sa.Column("event_id", sa.Integer, sa.ForeignKey("events.id"), nullable=False, unique=True),
        _text("status"),
        _text("results", null=True),
        _text("created_at"),
    )
    op.create_table(
        "bundles",
        _id(),
        _of("projects"),
        _of("code_analyses", "analysis_id"),
        sa.Column("event_id", sa.Integer, sa.ForeignKey("events.id"), nullable=False, unique=True),
        _text("status"),
        _text("results"),
        _text("created_at"),
    )
    op.create_table(
        "connections",
        _id(),
        _of("projects"),
        _text("kind"),
        _text("role_arn", null=True),
        _text("external_id", null=True),
        _text("account", null=True),
        _text("region", null=True),
        sa.Column("secret", sa.LargeBinary, nullable=True),
        _text("status", default="pending"),
        _text("created_at"),
    )
    op.create_table(
        "deployments",
        _id(),
        _of("projects"),
        _text("target"),
        _of("connections", null=True),
        _text("stack"),
        _text("status"),
        _text("current_release", null=True),
        _text("outputs", default="{}"),
        _text("url", null=True),
        _text("created_at"),
        _text("destroyed_at", null=True),
    )
    live = sa.text("destroyed_at is null")
    op.create_index(
        "deployments_live",
        "deployments",
        ["project_id", "target"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_table(
        "releases",
        _id(),
        _of("deployments"),
        _number("number"),
        _of("bundles"),
        _text("rollback_of", null=True),
        _text("architecture"),
        _text("status"),
        _text("plan", null=True),
        _text("plan_hash", null=True),
        _text("approved_by", null=True),
        _text("approved_at", null=True),
        _number("attempt", default=0),
        _text("steps", null=True),
        _text("body", null=True),
        _text("sha256", null=True),
        _text("outcome", null=True),
        _text("created_at"),
        sa.UniqueConstraint("deployment_id", "number"),
    )
    op.create_table(
        "variables",
        sa.Column("project_id", sa.String(16), sa.ForeignKey("projects.id"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        _text("created_at"),
    )
    op.create_table(
        "observers",
        sa.Column("plugin", sa.Text, primary_key=True),
        _number("last_event_id"),
        _number("failures", default=0),
        _number("skipped", default=0),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.String(16), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        _text("request"),
        _number("status"),
        _text("response"),
        _text("created_at"),
    )
