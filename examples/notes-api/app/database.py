"""The notes' table, and a session for each request."""

import os
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import create_engine, func
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


def url() -> str:
    """Platforms hand out `postgres://`; SQLAlchemy wants to be told the driver."""
    given = os.environ["DATABASE_URL"]
    scheme, _, rest = given.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else given


engine = create_engine(url(), pool_pre_ping=True)


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def session() -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened
