"""Notes over HTTP: list, read, write, delete."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.database import Note, session

app = FastAPI(title="Notes")
Database = Annotated[Session, Depends(session)]


class NewNote(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    body: str = Field(default="", max_length=20_000)


class SavedNote(NewNote):
    id: int
    created_at: datetime


@app.get("/notes")
def notes(database: Database) -> list[SavedNote]:
    rows = database.scalars(select(Note).order_by(Note.id.desc()).limit(100))
    return [saved(row) for row in rows]


@app.post("/notes", status_code=201)
def write(note: NewNote, database: Database) -> SavedNote:
    row = Note(title=note.title, body=note.body)
    database.add(row)
    database.commit()
    return saved(row)


@app.get("/notes/{number}")
def read(number: int, database: Database) -> SavedNote:
    return saved(found(database, number))


@app.delete("/notes/{number}", status_code=204)
def delete(number: int, database: Database) -> None:
    database.delete(found(database, number))
    database.commit()


@app.get("/health")
def health(database: Database) -> dict[str, str]:
    database.execute(text("select 1"))
    return {"status": "ok"}


def found(database: Session, number: int) -> Note:
    row = database.get(Note, number)
    if row is None:
        raise HTTPException(404, "There is no such note.")
    return row


def saved(row: Note) -> SavedNote:
    return SavedNote(id=row.id, title=row.title, body=row.body, created_at=row.created_at)
