"""Variables for the application: pairs, and files in the ways that people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autostack.cli import variables
from autostack.core.errors import InputRefused

FILE = """\
# what production needs
PLAIN=one two
export EXPORTED = spaced
EMPTY=

SINGLE='kept # as $it is\\n'
DOUBLE="two\\nlines and a \\"quote\\""  # why
COMMENT=value # not part of it
HASH=a#b
URL=postgres://me:pa=ss@host/db?x=1
KEY="-----BEGIN-----
abc
-----END-----"
LAST=yes"""


def test_files_of_variables_are_read_as_dotenv_reads_them(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(FILE)
    assert variables.given((), (str(tmp_path / ".env"),)) == {
        "PLAIN": "one two",
        "EXPORTED": "spaced",
        "EMPTY": "",
        "SINGLE": "kept # as $it is\\n",
        "DOUBLE": 'two\nlines and a "quote"',
        "COMMENT": "value",
        "HASH": "a#b",
        "URL": "postgres://me:pa=ss@host/db?x=1",
        "KEY": "-----BEGIN-----\nabc\n-----END-----",
        "LAST": "yes",
    }


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfA=1\r\n\r\nB='2'\r\n")
    assert variables.given((), (str(tmp_path / "file"),)) == {"A": "1", "B": "2"}


def test_a_pair_beats_a_file_and_a_later_file_an_earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "caller")
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("A=1\nB=1\nC=1\n")
    second.write_text("B=2\nC=2\n")
    assert variables.given(("C=3", "FROM_HERE"), (str(first), str(second))) == {
        "A": "1",
        "B": "2",
        "C": "3",
        "FROM_HERE": "caller",
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"A=1\nhunter2 secret\n", "line 2"),
        (b"A=\xff\n", "UTF-8"),
        (b"A=" + b"x" * 2**20, "larger"),
    ],
)
def test_what_is_no_file_of_variables_is_refused_without_its_content(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputRefused, match=words) as refused:
        variables.given((), (str(tmp_path / "file"),))
    assert "hunter2" not in str(refused.value)
