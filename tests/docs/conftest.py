"""Reading the documentation as data: headings, tables, code blocks and links of a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]

_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Page:
    """One page. `prose` is its text without code blocks."""

    path: Path
    text: str

    @property
    def prose(self) -> str:
        return _BLOCK.sub("", self.text)

    @property
    def headings(self) -> list[str]:
        return _HEADING.findall(self.prose)

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """What a link may name after `#`, as GitHub makes it of a heading."""
        return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in self.headings}

    def blocks(self, language: str) -> list[str]:
        """The contents of all code blocks in a language."""
        return [content for found, content in _BLOCK.findall(self.text) if found == language]

    def section(self, heading: str) -> str:
        """The text below a heading, up to the next one of its level or above."""
        found = re.search(rf"^(#+) {re.escape(heading)}$", self.text, re.MULTILINE)
        assert found is not None, f"{self.path.name} has no section {heading!r}"
        rest = self.text[found.end() :]
        end = re.search(rf"^#{{1,{len(found.group(1))}}} ", _without_blocks(rest), re.MULTILINE)
        return rest[: end.start()] if end else rest

    def rows(self, *columns: str) -> list[dict[str, str]]:
        """All rows of the tables whose head begins with these columns, by column; backquotes are taken off."""
        found: list[dict[str, str]] = []
        head: list[str] | None = None
        for line in self.prose.splitlines():
            if not line.startswith("|"):
                head = None
                continue
            cells = [_plain(cell) for cell in _CELL.split(line)[1:-1]]
            if head is None:
                head = cells if tuple(cells[: len(columns)]) == columns else []
            elif head and not all(set(cell) <= {"-", ":"} for cell in cells):
                found.append(dict(zip(head, cells, strict=True)))
        assert found, f"{self.path.name} has no table with the columns {columns}"
        return found


def _plain(cell: str) -> str:
    text = cell.strip().replace("\\|", "|")
    return text[1:-1] if text.count("`") == 2 and text[0] == text[-1] == "`" else text


def _without_blocks(text: str) -> str:
    """The text with code blocks blanked, so that a comment in one is no heading; every place stays where it was."""
    return _BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block.group()), text)


@pytest.fixture(scope="session")
def page() -> Callable[[str], Page]:
    """Reads a page: `page("docs/cli.md")`."""

    def read(name: str) -> Page:
        path = TOP / name
        return Page(path, path.read_text(encoding="utf-8"))

    return read


@pytest.fixture(scope="session")
def pages(page: Callable[[str], Page]) -> list[Page]:
    """All pages of the documentation, the README first."""
    names = ["README.md", "examples/README.md", *(f"docs/{p.name}" for p in sorted((TOP / "docs").glob("*.md")))]
    return [page(name) for name in names]
