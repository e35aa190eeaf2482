"""`autostack generate` and `autostack cost`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Ran


def test_without_out_nothing_is_written(autostack: Callable[..., Ran], guestbook: Path) -> None:
    before = sorted(guestbook.rglob("*"))
    ran = autostack("generate", guestbook)
    assert ran.code == 0
    assert "Dockerfile" in ran.out
    assert sorted(guestbook.rglob("*")) == before


def test_files_are_written_once_and_edited_ones_stay(
    autostack: Callable[..., Ran], guestbook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = autostack("generate", guestbook, "--target", "aws-ec2", "--out", out)
    assert first.code == 0
    template = out / "deploy" / "aws-ec2" / "cloudformation.yaml"
    assert "AWS::EC2::Instance" in template.read_text()
    (out / "Dockerfile").write_text("FROM scratch\n")
    second = autostack("generate", guestbook, "--target", "aws-ec2", "--out", out)
    assert "--force replaces them" in second.out
    assert (out / "Dockerfile").read_text() == "FROM scratch\n"
    autostack("generate", guestbook, "--target", "aws-ec2", "--out", out, "--force")
    assert (out / "Dockerfile").read_text() != "FROM scratch\n"


def test_nothing_is_written_through_a_link(autostack: Callable[..., Ran], guestbook: Path, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "deploy").symlink_to(elsewhere)
    ran = autostack("generate", guestbook, "--out", out, "--quiet")
    assert ran.code == 3
    assert list(elsewhere.iterdir()) == []


def test_cost_puts_targets_side_by_side_with_the_date_of_the_prices(
    autostack: Callable[..., Ran], guestbook: Path
) -> None:
    ran = autostack("cost", guestbook)
    assert ran.code == 0
    lines = [line.split() for line in ran.out.splitlines() if line]
    assert lines[0] == ["low", "medium", "high"]
    assert ["local", "$0.00", "$0.00", "$0.00"] in lines
    assert any(line[0] == "aws-ec2" for line in lines)
    assert "prices as of 20" in ran.out


def test_costs_as_json_are_unrounded_estimates(autostack: Callable[..., Ran], guestbook: Path) -> None:
    ran = autostack("cost", guestbook, "--json", "--target", "aws-ec2")
    assert isinstance(ran.json, dict)
    (estimate,) = ran.json["costs"]
    total = sum(line["cost"]["medium"] for line in estimate["lines"] if line["cost"])
    assert abs(total - estimate["total"]["medium"]) < 1e-9


def test_plugins_are_listed(autostack: Callable[..., Ran]) -> None:
    ran = autostack("plugin", "list")
    assert ran.code == 0
    assert any(line.split()[:2] == ["target-local", "target"] for line in ran.out.splitlines())


def test_a_broken_plugin_costs_only_itself_and_is_named(
    autostack: Callable[..., Ran], guestbook: Path, tmp_path: Path
) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "broken.py").write_text("import does_not_exist\n")
    ran = autostack("analyze", guestbook, env={"AUTOSTACK_PLUGINS": str(plugins)})
    assert ran.code == 0
    assert "plugin broken isn't in service" in ran.err
    listed = autostack("plugin", "list", env={"AUTOSTACK_PLUGINS": str(plugins)})
    assert "broken" in listed.out.partition("Not in service")[2]
