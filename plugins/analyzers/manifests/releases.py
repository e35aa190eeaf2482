"""Releases of the language runtimes: what exists, until when it is supported, and which one is installed by default.

Dated tables that a reader can check by eye, and the one rule that turns "what the source asks for" into a version.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from autostack.core.claims import VersionValue

AS_OF: Final = "2026-11-24"


class Release(NamedTuple):
    """One line of releases: `eol` is the last day of support (ISO date); `lts` is its code name, if it has one."""

    name: str
    eol: str
    lts: str | None = None


class Table(NamedTuple):
    """All releases of one runtime, newest first, and the one to install when the source doesn't say."""

    default: str
    source: str
    releases: tuple[Release, ...]
    has_lts: bool = False

    def release(self, version: str) -> Release | None:
        """The line that a version such as "3.12.4" or "22" belongs to."""
        return next((row for row in self.releases if version == row.name or version.startswith(row.name + ".")), None)

    def supported(self, version: str, day: str = AS_OF) -> bool:
        """Whether the version's line still gets security fixes. A line newer than the table counts as supported."""
        row = self.release(version)
        if row is None:
            return _numbers(version) > _numbers(self.releases[0].name)
        return row.eol >= day


TABLES: Final[dict[str, Table]] = {
    "python": Table(
        default="3.13",
        source="https://devguide.python.org/versions/",
        releases=(
            Release("3.14", "2030-10-31"),
            Release("3.13", "2029-10-31"),
            Release("3.12", "2028-10-31"),
            Release("3.11", "2027-10-31"),
            Release("3.10", "2026-10-31"),
            Release("3.9", "2025-10-31"),
            Release("3.8", "2024-10-07"),
            Release("3.7", "2023-06-27"),
            Release("3.6", "2021-12-23"),
            Release("3.5", "2020-09-30"),
            Release("3.4", "2019-03-18"),
            Release("2.7", "2020-01-01"),
        ),
    ),
    "node": Table(
        default="24",
        source="https://github.com/nodejs/release#release-schedule",
        releases=(
            Release("26", "2029-04-30", "Lts"),
            Release("25", "2026-06-01"),
            Release("24", "2028-04-30", "Krypton"),
            Release("23", "2025-06-01"),
            Release("22", "2027-04-30", "Jod"),
            Release("21", "2024-06-01"),
            Release("20", "2026-04-30", "Iron"),
            Release("19", "2023-06-01"),
            Release("18", "2025-04-30", "Hydrogen"),
            Release("17", "2022-06-01"),
            Release("16", "2023-09-11", "Gallium"),
            Release("15", "2021-06-01"),
            Release("14", "2023-04-30", "Fermium"),
            Release("13", "2020-06-01"),
            Release("12", "2022-04-30", "Erbium"),
            Release("11", "2019-06-01"),
            Release("10", "2021-04-30", "Dubnium"),
            Release("8", "2019-12-31", "Carbon"),
            Release("6", "2019-04-30", "Boron"),
        ),
        has_lts=True,
    ),
}

_EXACT = re.compile(r"[vV]?(\d{1,3}(?:\.\d{1,3}){0,2})")


def choose(toolchain: str, requested: str, admits: Callable[[Release], bool]) -> VersionValue | None:
    """The version for a range: the default if it is admitted, else the newest supported, else the newest admitted.

    Where there are LTS lines, the newest supported LTS one goes before the newest. None if nothing is admitted.
    """
    table = TABLES[toolchain]
    admitted = [row for row in table.releases if admits(row)]
    if not admitted:
        return None
    supported = [row for row in admitted if row.eol >= AS_OF]
    lasting = [row for row in supported if row.lts] if table.has_lts else []
    best = (
        next((row for row in admitted if row.name == table.default), None)
        or next(iter(lasting), None)
        or next(iter(supported), None)
        or admitted[0]
    )
    return VersionValue(requested, best.name, [row.name for row in admitted])


def default(toolchain: str) -> VersionValue:
    """What is installed when the source says nothing."""
    return VersionValue(None, TABLES[toolchain].default)


def exact(requested: str) -> VersionValue | None:
    """A version that is written out ("3.12", "v22.1.0"), or None if the text is something else."""
    match = _EXACT.fullmatch(requested.strip())
    return VersionValue(requested.strip(), match[1]) if match else None


def resolve(toolchain: str, requested: str) -> VersionValue | None:
    """What `requested` means for a toolchain whose ranges are PEP 440 or Poetry constraints (Python).

    "3.12.4" and "3.12" stay as they are; ">=3.11", "^3.11", "~3.11", "3.11.*", "^3.9 || ^3.11" are resolved with the
    dated table. None if the text can't be read or admits nothing.
    """
    requested = requested.strip()[:256]
    written = exact(requested.removeprefix("===").removeprefix("==").strip())
    if written is not None and "." in written.version:
        return VersionValue(requested, written.version)
    if written is not None:
        requested_range = f"^{written.version}"
    elif requested in ("", "*"):
        requested_range = ">=2.7"
    else:
        requested_range = requested
    alternatives = [_specifiers(part) for part in requested_range.split("||")]
    known = [part for part in alternatives if part is not None]
    if not known:
        return None

    def admits(row: Release) -> bool:
        # A line is admitted if any of its patch releases is: ">=3.12.4" and "<=3.12" both admit 3.12.
        return any(_contains(part, f"{row.name}.{patch}") for part in known for patch in (0, 4, 10, 99))

    return choose(toolchain, requested, admits)


def _specifiers(text: str) -> str | None:
    """A Poetry or PEP 440 constraint as a PEP 440 one. https://python-poetry.org/docs/dependency-specification/"""
    parts = [_specifier(part) for part in re.split(r"\s*,\s*|\s+(?=[<>=!~^])", text.strip()) if part.strip()]
    return None if not parts or None in parts else ",".join(part for part in parts if part)


def _specifier(part: str) -> str | None:
    match = re.fullmatch(r"(\^|~=|~|===|==|!=|>=|<=|>|<)?\s*v?(\d{1,3}(?:\.\d{1,3}){0,3}(?:\.\*)?)", part.strip())
    if match is None:
        return None
    operator, version = match[1], match[2]
    numbers = [int(number) for number in version.removesuffix(".*").split(".")]
    if operator == "^":
        return f">={version},<{numbers[0] + 1}"
    if operator == "~":
        upper = [numbers[0] + 1] if len(numbers) == 1 else [numbers[0], numbers[1] + 1]
        return f">={version},<{'.'.join(map(str, upper))}"
    if operator is None:
        return f"=={version}" if version.endswith(".*") else f"=={version}.*"
    if version.endswith(".*") and operator not in ("==", "!="):  # Poetry reads ">=3.8.*" as ">=3.8"
        version = version.removesuffix(".*")
    if operator == "~=" and len(numbers) == 1:
        return f">={version}"
    return f"{operator}{version}"


def _contains(specifiers: str, version: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifiers).contains(version)
    except InvalidSpecifier:
        return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
