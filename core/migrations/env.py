"""Alembic's entry: runs revisions against the address it is given, each in one real transaction."""

from alembic import context
from sqlalchemy import Connection, create_engine, event

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")

if engine.dialect.name == "sqlite":
    # pysqlite commits before DDL by itself, so that a failing revision would stay half applied: begin by hand instead
    # (https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl)
    @event.listens_for(engine, "connect")
    def _no_implicit_begin(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # a sqlite3.Connection

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("begin immediate")


with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
