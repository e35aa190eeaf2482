"""A guestbook: read what others wrote, leave a note. Flask and SQLite."""

import os
import sqlite3
from pathlib import Path

from flask import Flask, abort, g, redirect, render_template, request, url_for

DATABASE = Path(os.environ.get("DATABASE_PATH", "data/guestbook.db"))
SCHEMA = """
create table if not exists notes (
    id integer primary key,
    author text not null,
    message text not null,
    written_at text not null default current_timestamp
)
"""

app = Flask(__name__)


def database() -> sqlite3.Connection:
    if "database" not in g:
        DATABASE.parent.mkdir(parents=True, exist_ok=True)
        g.database = sqlite3.connect(DATABASE)
        g.database.row_factory = sqlite3.Row
        g.database.execute(SCHEMA)
    return g.database


@app.teardown_appcontext
def close(_: BaseException | None) -> None:
    if (connection := g.pop("database", None)) is not None:
        connection.close()


@app.get("/")
def index() -> str:
    notes = database().execute("select * from notes order by id desc limit 100").fetchall()
    return render_template("index.html", notes=notes)


@app.post("/")
def sign():
    author = request.form.get("author", "").strip()[:80]
    message = request.form.get("message", "").strip()[:1000]
    if not author or not message:
        abort(400, "A note needs a name and a message.")
    with database() as connection:
        connection.execute("insert into notes (author, message) values (?, ?)", (author, message))
    return redirect(url_for("index"), 303)


@app.get("/healthz")
def healthz() -> dict[str, str]:
    database().execute("select 1")
    return {"status": "ok"}


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "5000")))
