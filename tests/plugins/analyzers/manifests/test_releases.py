"""Which release a requested version means."""

import pytest

from autostack.plugins.analyzers.manifests.releases import TABLES, resolve


@pytest.mark.parametrize(
    ("requested", "version"),
    [
        (">=3.8", "3.13"), ("^3.9", "3.13"), ("~3.10", "3.10"), ("~=3.11.2", "3.11"), ("3.11.*", "3.11"),
        ("3.12", "3.12"), ("==3.12.4", "3.12.4"), (">=3.12.4,<3.13", "3.12"), ("<3.11", "3.10"), ("<=3.12", "3.12"),
        (">3.13", "3.13"), ("^3.8 || ^3.14", "3.13"), (">=3.14", "3.14"), ("*", "3.13"), ("3", "3.13"),
        (">=3.9 <3.12", "3.11"),
        ("!=3.13.*,>=3.10", "3.14"),
    ],
)  # fmt: skip
def test_a_range_means_the_default_if_it_is_admitted_else_the_newest_supported(requested, version):
    found = resolve("python", requested)
    assert found is not None
    assert (found.requested, found.version) == (requested, version)


@pytest.mark.parametrize("requested", ["", "three", ">=4", "^", "3.11; rm -rf", "((((", ">=3.11" * 100, "pypy3.9"])
def test_what_is_no_version_gives_the_default_or_nothing(requested):
    found = resolve("python", requested)
    assert found is None or found.version == "3.13"


@pytest.mark.parametrize("table", TABLES.values())
def test_the_tables_hold_their_default_supported_and_newest_first(table):
    assert table.supported(table.default)
    numbers = [tuple(int(part) for part in row.name.split(".")) for row in table.releases]
    assert numbers == sorted(numbers, reverse=True)
