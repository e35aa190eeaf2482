"""What `SourceTree` sees of a folder or zip, what it leaves out, and what hostile files can't do to it."""

import copy
import gc
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from autostack.core import source as source_module
from autostack.core import walk
from autostack.core.archive import pack_folder
from autostack.core.errors import InputRefused
from autostack.core.source import SourceTree, above, folder, join


def write(top: Path, files: Mapping[str, str | bytes]) -> Path:
    for path, content in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return top


def rules(tree: SourceTree) -> list[str]:
    return [finding.rule for finding in tree.findings]


# ------------------------------------------------------------------------------------------ what is there


def test_paths_are_relative_sorted_and_shallow_names_come_first(tmp_path: Path) -> None:
    write(tmp_path, {"web/package.json": "{}", "a/b/package.json": "{}", "package.json": "{}", "web/x.js": ""})
    tree = SourceTree.open(tmp_path)
    assert tree.files == ("a/b/package.json", "package.json", "web/package.json", "web/x.js")
    assert tree.named("package.json") == ["package.json", "web/package.json", "a/b/package.json"]
    assert tree.named("x.js", "package.json", "x.js")[-1] == "a/b/package.json"
    assert tree.below("web") == ["web/package.json", "web/x.js"]
    assert tree.below(".") == list(tree.files)
    assert "web/x.js" in tree
    assert "web" not in tree
    assert tree.size("package.json") == 2
    with pytest.raises(KeyError):
        tree.size("nothing")


def test_a_folder_whose_name_continues_anothers_is_not_below_it(tmp_path: Path) -> None:
    write(tmp_path, {"web/a": "", "web-admin/b": "", "web.d/c": "", "web0/d": ""})
    assert SourceTree.open(tmp_path).below("web") == ["web/a"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.yml", ["b.yml"]),
        (".github/workflows/*.yml", [".github/workflows/a.yml"]),
        ("**/*.yml", [".github/workflows/a.yml", "b.yml", "x/y/z.yml"]),
        ("x/**", ["x/y/z.yml"]),
        ("x/**/z.yml", ["x/y/z.yml"]),
        ("x/*", []),
        ("x/*/[a-z].yml", ["x/y/z.yml"]),
        ("**/**/y/**/*", ["x/y/z.yml"]),
        ("b.yml", ["b.yml"]),
    ],
)
def test_globs_match_from_the_top(tmp_path: Path, pattern: str, found: list[str]) -> None:
    write(tmp_path, {".github/workflows/a.yml": "", "b.yml": "", "x/y/z.yml": ""})
    assert SourceTree.open(tmp_path).glob(pattern) == found


@pytest.mark.timeout(20)  # it ends at all
def test_a_glob_of_many_stars_is_not_slow_on_a_long_name(tmp_path: Path) -> None:
    write(tmp_path, {"a" * 200: "", "/".join("a" * 60): ""})
    assert SourceTree.open(tmp_path).glob("/".join(["**"] * 30) + "/b") == []


def test_roots_are_joined_and_climbed() -> None:
    assert (join(".", "a"), join("x", "a")) == ("a", "x/a")
    assert (folder("a"), folder("x/y/a")) == (".", "x/y")
    assert above("x/y") == ["x/y", "x", "."]


def test_neither_folder_nor_zip_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"notes.txt": "no archive"})
    for path in (tmp_path / "notes.txt", tmp_path / "missing", Path("/dev/null")):
        with pytest.raises(InputRefused):
            SourceTree.open(path)


# ------------------------------------------------------------------------------------------ what is left out


def test_installed_built_and_cached_folders_are_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app.py": "", "node_modules/x/package.json": "{}", "web/node_modules/y/index.js": "", ".git/config": "",
            "env3/pyvenv.cfg": "", "env3/lib/site.py": "", ".next/x.js": "", "pom.xml": "<a/>",
            "target/classes/A.class": "",
            "vendor/bundle/ruby/x.rb": "", "php/composer.json": "{}", "php/vendor/autoload.php": "",
            "php/vendor/a/b.php": "",
            "rust/target/CACHEDIR.TAG": "", "rust/target/debug/app": "", ".yarn/cache/a.zip": "", ".DS_Store": "",
            "net/obj/project.assets.json": "{}", "net/bin/Debug/x.dll": "",
        },
    )  # fmt: skip
    assert SourceTree.open(tmp_path).files == ("app.py", "php/composer.json", "pom.xml")


def test_folders_that_people_write_themselves_are_seen(tmp_path: Path) -> None:
    files = [
        "bin/start", "build/index.html", "dist/a.js", "env/settings.py", "lib/x.rb", "migrations/1.sql", "out/a",
        "public/x", "static/x", "target/page.html", "tests/t.py", "vendor/theirs.js", ".github/workflows/ci.yml",
        ".env.example", ".yarn/releases/yarn.cjs", "packages/a/package.json", "deps/x.c",
    ]  # fmt: skip
    write(tmp_path, dict.fromkeys(files, "x"))
    assert sorted(SourceTree.open(tmp_path).files) == sorted(files)


def test_vendored_go_modules_are_kept_but_not_scanned(tmp_path: Path) -> None:
    write(tmp_path, {"go.mod": "module x", "vendor/modules.txt": "# x", "vendor/x/y/package.json": "{}"})
    tree = SourceTree.open(tmp_path)
    assert tree.files == ("go.mod",)
    assert [path for path, _ in tree.contents()] == ["go.mod", "vendor/modules.txt", "vendor/x/y/package.json"]
    tree.extract(tmp_path / "out")
    assert (tmp_path / "out/vendor/x/y/package.json").read_text() == "{}"


def test_gitignore_counts_at_each_level_and_the_nearest_word_wins(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".gitignore": "*.log\n/dist\nbuild/\r\n# comment\n\n!important.log\ndata/*\n!data/keep.csv\n",
            "a.log": "", "important.log": "", "dist/x": "", "web/dist/x": "", "web/build/x": "", "data/a.csv": "",
            "data/keep.csv": "", "web/.gitignore": "!a.log\nsecret.txt\n", "web/a.log": "", "web/secret.txt": "",
            "secret.txt": "", ".autostackignore": "fixtures/\n", "fixtures/x": "", "web/fixtures/x": "",
        },
    )  # fmt: skip
    assert SourceTree.open(tmp_path).files == (
        ".autostackignore", ".gitignore", "data/keep.csv", "important.log", "secret.txt", "web/.gitignore", "web/a.log",
        "web/dist/x",
    )  # fmt: skip


@pytest.mark.parametrize("version", [2, 3, 4])
def test_what_git_tracks_is_never_ignored(tmp_path: Path, version: int) -> None:
    write(
        tmp_path,
        {".gitignore": "lib/\n.env\n", "src/lib/api.ts": "x", "src/lib/cache.ts": "", ".env": "A=1", "a.py": ""},
    )
    git = ["git", "-C", str(tmp_path), "-c", f"index.version={version}"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-f", "a.py", "src/lib/api.ts", ".gitignore"], check=True)
    if version == 3:  # an entry with extended flags makes git write version 3
        subprocess.run([*git, "add", "-f", "-N", ".env"], check=True)
    tree = SourceTree.open(tmp_path)
    assert ("src/lib/api.ts" in tree, "src/lib/cache.ts" in tree, ".env" in tree) == (True, False, version == 3)


@pytest.mark.parametrize("cut", [0, 3, 11, 13, 70, 90])
def test_a_damaged_git_index_tracks_nothing(tmp_path: Path, cut: int) -> None:
    write(tmp_path, {".gitignore": "lib/\n", "lib/a.ts": "x", "b.py": ""})
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "-f", "."], check=True)
    index = tmp_path / ".git/index"
    index.write_bytes(index.read_bytes()[:cut])
    assert SourceTree.open(tmp_path).files == (".gitignore", "b.py")


@pytest.mark.parametrize(
    "rule", ["*a" * 300 + "b", "**/a/" * 150, "[" * 900, "[[:alpha:]", "[z-a]", "!", "\\", "a\\", "x" * 5000]
)
@pytest.mark.timeout(20)  # it ends at all
def test_hostile_ignore_rules_cost_nothing_and_break_nothing(tmp_path: Path, rule: str) -> None:
    write(tmp_path, {".gitignore": f"{rule}\nskipped\n", "a" * 200: "", "skipped": "", "kept": ""})
    tree = SourceTree.open(tmp_path)
    assert "kept" in tree
    assert "skipped" not in tree


def test_links_are_findings_and_never_followed(tmp_path: Path) -> None:
    top = write(tmp_path / "top", {"a.py": "x"})
    write(tmp_path, {"outside/secret.txt": "s3cret"})
    (top / "up").symlink_to(tmp_path / "outside")
    (top / "file.txt").symlink_to(tmp_path / "outside/secret.txt")
    (top / "loop").symlink_to(top)
    (top / ".gitignore").symlink_to(tmp_path / "outside/secret.txt")
    tree = SourceTree.open(top)
    assert tree.files == ("a.py",)
    assert [(f.rule, f.path) for f in tree.findings] == [("link", p) for p in (".gitignore", "file.txt", "loop", "up")]
    assert tree.text("file.txt") is None
    assert not tree.incomplete


def test_a_file_swapped_for_a_link_or_pipe_after_the_walk_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"top/a": "x", "top/b": "x", "top/c": "x", "secret": "s"})
    tree = SourceTree.open(tmp_path / "top")
    for name in "abc":
        (tmp_path / "top" / name).unlink()
    (tmp_path / "top/a").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "top/b")
    assert (tree.bytes("a"), tree.bytes("b"), tree.bytes("c")) == (None, None, None)
    assert rules(tree) == ["unreadable-file"] * 3


def test_pipes_are_findings(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path, {"a": ""})
    tree = SourceTree.open(tmp_path)
    assert tree.files == ("a",)
    assert [(f.rule, f.path) for f in tree.findings] == [("special-file", "pipe")]


def test_names_that_no_upload_could_have_are_findings_and_can_be_encoded(tmp_path: Path) -> None:
    for name in (
        b"not-utf8-\xff",
        b"line\nbreak",
        b"back\\slash",
        "turn\u202efdp.exe".encode(),
        "schön 🙂.txt".encode(),
    ):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    tree = SourceTree.open(tmp_path)
    assert tree.files == ("schön 🙂.txt",)
    assert rules(tree) == ["unusable-name"] * 4
    msgspec.json.encode(tree.findings)
    assert not any(c in finding.path for finding in tree.findings if finding.path for c in "\n\u202e")


# ------------------------------------------------------------------------------------------ caps


def test_more_files_than_the_cap_are_cut_the_same_way_everywhere(tmp_path: Path) -> None:
    write(tmp_path, {f"{d}/f{n}": "" for d in "zab" for n in range(5)} | {"package.json": "{}"})
    found = walk.walk(str(tmp_path), max_files=8)
    assert sorted(found.files) == ["a/f0", "a/f1", "a/f2", "a/f3", "a/f4", "b/f0", "b/f1", "package.json"]
    assert found.incomplete
    assert [f.rule for f in found.findings] == ["too-many-files"]


def test_folders_deeper_than_the_cap_are_not_looked_at(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 63)
    write(tmp_path, {f"{deep}/last": "", f"{deep}/d/beyond": "", "top": ""})
    tree = SourceTree.open(tmp_path)
    assert tree.files == (f"{deep}/last", "top")
    assert rules(tree) == ["too-deep"]
    assert tree.incomplete


def test_a_large_file_is_listed_and_a_finding_only_for_who_asks(tmp_path: Path) -> None:
    write(tmp_path, {"big.json": b"x" * (1024 * 1024 + 1), "fits": b"x" * 1024 * 1024})
    tree = SourceTree.open(tmp_path)
    assert "big.json" in tree
    assert tree.findings == []
    assert len(tree.bytes("fits") or b"") == 1024 * 1024
    assert tree.json("big.json") is None
    assert tree.text("big.json") is None
    assert rules(tree) == ["file-too-large"]
    assert not tree.incomplete


def test_reading_stops_at_the_total_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "MAX_TOTAL_BYTES", 25)
    write(tmp_path, dict.fromkeys("abc", "0123456789"))
    tree = SourceTree.open(tmp_path)
    assert (tree.text("a"), tree.text("a"), tree.text("b"), tree.text("c")) == ("0123456789",) * 3 + (None,)
    assert rules(tree) == ["source-too-large"]
    assert tree.incomplete


def test_a_file_that_grew_since_the_walk_is_still_capped(tmp_path: Path) -> None:
    write(tmp_path, {"a": "x"})
    tree = SourceTree.open(tmp_path)
    (tmp_path / "a").write_bytes(b"x" * (1024 * 1024 + 1))
    assert tree.bytes("a") is None
    assert rules(tree) == ["file-too-large"]


def test_each_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": '{"a": 1}'})
    tree = SourceTree.open(tmp_path)
    first = tree.json("a.json")
    (tmp_path / "a.json").write_text("changed")
    assert tree.json("a.json") is first
    assert tree.text("a.json") == '{"a": 1}'


def test_a_hundred_findings_of_one_rule_are_summed_up(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"link{number:03}").symlink_to("nowhere")
    found = SourceTree.open(tmp_path).findings
    assert len(found) == 21
    assert found[-1].message == "80 more like this"


# ------------------------------------------------------------------------------------------ formats


def test_text_knows_the_marks_that_windows_writes(tmp_path: Path) -> None:
    write(tmp_path, {"a": b"\xef\xbb\xbfx", "b": "flask==3\r\n".encode("utf-16"), "c": b"caf\xe9"})
    tree = SourceTree.open(tmp_path)
    assert (tree.text("a"), tree.text("b"), tree.text("c"), tree.text("d")) == ("x", "flask==3\r\n", "caf\ufffd", None)


def test_lines_are_counted_as_editors_do(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "one\x0cstill\u2028one\ntwo\nthree\n"})
    tree = SourceTree.open(tmp_path)
    assert (tree.line("a.py", "still"), tree.line("a.py", "three"), tree.line("a.py", "four")) == (1, 3, None)
    assert tree.line("missing", "x") is None


def test_json_with_comments_and_trailing_commas_reads(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"tsconfig.json": '{\n // strict\n "compilerOptions": {"strict": true,},\n}', "dup.json": '{"a": 1, "a": 2}'},
    )
    tree = SourceTree.open(tmp_path)
    assert tree.json("tsconfig.json") == {"compilerOptions": {"strict": True}}
    assert tree.json("dup.json") == {"a": 2}
    assert tree.json("missing.json") is None
    assert tree.findings == []


def test_yaml_keeps_text_and_null(tmp_path: Path) -> None:
    content = "ports: [22:22, 0755]\nanswer: no\nversion: 3.10\nwhen: 2024-01-01\nnone: ~\nempty:\n"
    write(tmp_path, {"a.yml": content + "quoted: 'null'\nnull: x\n"})
    assert SourceTree.open(tmp_path).yaml("a.yml") == {
        "ports": ["22:22", "0755"], "answer": "no", "version": "3.10", "when": "2024-01-01", "none": None,
        "empty": None, "quoted": "null", "null": "x",
    }  # fmt: skip


def test_yaml_merge_keys_fill_in_what_a_mapping_lacks(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"a.yml": "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], c: 3}\nw: {a: own, <<: *x}\n'<<': text\n"},
    )
    value = SourceTree.open(tmp_path).yaml("a.yml")
    assert isinstance(value, dict)
    assert value["z"] == {"a": "1", "b": "1", "c": "3"}
    assert value["w"] == {"a": "own", "b": "1"}
    assert value["<<"] == "text"


def test_yaml_of_cloudformation_and_several_documents_reads(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "t.yml": "A: !Sub '${x}'\nB: !GetAtt [a, b]\nC: !Foo {d: !Ref e}\n",
            "k.yml": "kind: A\n---\nkind: B\n",
            "e.yml": "",
        },
    )
    tree = SourceTree.open(tmp_path)
    assert tree.yaml("t.yml") == {"A": "${x}", "B": ["a", "b"], "C": {"d": "e"}}
    assert tree.yaml_all("k.yml") == [{"kind": "A"}, {"kind": "B"}]
    assert tree.yaml("k.yml") == {"kind": "A"}
    assert tree.yaml_line("k.yml", "kind", document=1) == 3
    assert tree.yaml("e.yml") is None
    assert tree.yaml_all("e.yml") == []


def test_yaml_lines_are_those_of_the_keys(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"c.yml": "x: &x\n  image: a\n\nservices:\n  web:\n    <<: *x\n    ports:\n      - '80'\n      - '81'\n"},
    )
    tree = SourceTree.open(tmp_path)
    assert tree.yaml_line("c.yml", "services", "web") == 5
    assert tree.yaml_line("c.yml", "services", "web", "ports", 1) == 9
    assert tree.yaml_line("c.yml", "services", "web", "image") == 2
    assert tree.yaml_line("c.yml", "services", "nope") is None
    assert tree.yaml_line("c.yml", "services", "web", "ports", 7) is None
    assert tree.yaml_line("missing.yml", "a") is None


def test_json_lines_are_those_of_the_keys(tmp_path: Path) -> None:
    content = """{
  // "scripts": no
  "name": "scripts", /* a
  b */ "list": [
    {"scripts": 1},
    "two"],
  "scripts": {
    start: "x"
  }
}
"""
    write(tmp_path, {"p.json": content, "one.json": '{"a":{"b":1}}'})
    tree = SourceTree.open(tmp_path)
    assert tree.json_line("p.json", "scripts") == 7
    assert tree.json_line("p.json", "scripts", "start") == 8
    assert tree.json_line("p.json", "list") == 4
    assert tree.json_line("p.json", "list", 0) == 5
    assert tree.json_line("p.json", "list", 0, "scripts") == 5
    assert tree.json_line("p.json", "list", 1) == 6
    assert tree.json_line("p.json", "b") is None
    assert tree.json_line("one.json", "a", "b") == 1


def test_toml_lines_are_those_of_the_keys(tmp_path: Path) -> None:
    content = """[project]
name = "a"
requires-python = ">=3.11"

[tool.poetry.dependencies]
django = "*"
"x.y" = 1
a.b = 2
[[tool.mypy.overrides]]
module = "a"
[[tool.mypy.overrides]]
module = "b"
"""
    write(tmp_path, {"pyproject.toml": content})
    tree = SourceTree.open(tmp_path)
    assert tree.toml_line("pyproject.toml", "project", "requires-python") == 3
    assert tree.toml_line("pyproject.toml", "tool", "poetry", "dependencies", "django") == 6
    assert tree.toml_line("pyproject.toml", "tool", "poetry", "dependencies", "x.y") == 7
    assert tree.toml_line("pyproject.toml", "tool", "poetry", "dependencies", "a", "b") == 8
    assert tree.toml_line("pyproject.toml", "tool", "mypy", "overrides", 1, "module") == 12
    assert tree.toml_line("pyproject.toml", "tool") == 5
    assert tree.toml_line("pyproject.toml", "nothing") is None


def test_xml_reads_with_its_namespace_and_is_the_callers_own(tmp_path: Path) -> None:
    write(tmp_path, {"pom.xml": '<!DOCTYPE p SYSTEM "x.dtd"><p xmlns="urn:x"><v>17</v></p>'})
    tree = SourceTree.open(tmp_path)
    root = tree.xml("pom.xml")
    assert root is not None
    root.clear()
    again = tree.xml("pom.xml")
    assert again is not None
    assert again.findtext("{*}v") == "17"


def test_python_reads_without_warnings_or_running(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"a.py": "import re\nre.match('\\d', 'x')\nx = '\\ud800'\nraise SystemExit\n"})
    tree = SourceTree.open(tmp_path)
    module = tree.python("a.py")
    assert module is not None
    assert len(module.body) == 4
    assert module.body[2].value.value == "\ufffd"  # type: ignore[attr-defined]
    assert capfd.readouterr() == ("", "")


MALFORMED = [
    ("a.json", '{"key": 1,\n "SECRET" 2}', "malformed-json", 2),
    ("a.json", "", "malformed-json", 1),
    ("a.json", "[" * 5000, "malformed-json", None),
    ("a.json", "/* open", "malformed-json", 1),
    ("a.json", "0x" + "f" * 5000, "malformed-json", None),
    ("a.toml", 'a = 1\nSECRET "x"\n', "malformed-toml", 2),
    ("a.toml", "a = " + "[" * 5000, "malformed-toml", None),
    ("a.toml", "a = 1\n" + "SECRET." * 100 + "x = 1", "malformed-toml", 2),
    ("a.toml", '"".' * 30_000 + "x = 1", "malformed-toml", 1),
    ("a.toml", "a = 2024-99-99", "malformed-toml", None),
    ("a.yaml", "a: b\n c: SECRET: d\n", "malformed-yaml", 2),
    ("a.yaml", "a: *SECRET", "malformed-yaml", 1),
    ("a.yaml", "a: &a [*a]", "malformed-yaml", 1),
    ("a.yaml", "[" * 60, "malformed-yaml", 1),
    ("a.yaml", "- " * 60 + "a", "malformed-yaml", 1),
    ("a.yaml", "? [SECRET]\n: b", "malformed-yaml", 1),
    ("a.yaml", "a:\n  <<: SECRET", "malformed-yaml", 2),
    ("a.yaml", "{{ SECRET }}", "malformed-yaml", 1),
    ("a.yaml", "a: \0", "malformed-yaml", None),
    ("a.xml", "<a>\n<SECRET></a>", "malformed-xml", 2),
    ("a.xml", '<!DOCTYPE a [<!ENTITY b "SECRET">]><a>&b;</a>', "malformed-xml", None),
    ("a.xml", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "malformed-xml", None),
    ("a.xml", "<a>" * 1000, "malformed-xml", None),
    ("a.xml", '<?xml version="1.0" encoding="SECRET"?><a/>', "malformed-xml", None),
    ("a.python", "def SECRET(:\n", "malformed-python", 1),
    ("a.python", "print 'SECRET'", "malformed-python", 1),
    ("a.python", "-" * 100_000 + "1", "malformed-python", None),
    ("a.python", "a" + ".b" * 50_000, "malformed-python", None),
    ("a.python", "a = '\0'", "malformed-python", None),
]


@pytest.mark.parametrize(("path", "content", "rule", "line"), MALFORMED)
@pytest.mark.timeout(20)  # it ends at all
def test_a_malformed_file_is_none_and_one_finding_that_repeats_nothing(
    tmp_path: Path, path: str, content: str, rule: str, line: int | None
) -> None:
    write(tmp_path, {path: content})
    tree = SourceTree.open(tmp_path)
    read = getattr(tree, path.partition(".")[2])
    assert read(path) is None
    assert read(path) is None
    assert [(f.rule, f.path) for f in tree.findings] == [(rule, path)]
    assert line is None or tree.findings[0].line == line
    assert "SECRET" not in tree.findings[0].message


@pytest.mark.timeout(20)  # it ends at all
def test_a_yaml_bomb_is_malformed_before_it_expands(tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    merges = "m0: &m0 {a: 1}\n" + "".join(
        f"m{n + 1}: &m{n + 1} {{<<: [{','.join([f'*m{n}'] * 9)}]}}\n" for n in range(12)
    )
    write(
        tmp_path,
        {
            "bomb.yml": bomb,
            "many.yml": "a: &a x\nb: [" + "*a," * 2000 + "]",
            "long.yml": "- a\n" * 250_000,
            "merge.yml": merges,
        },
    )
    tree = SourceTree.open(tmp_path)
    assert [tree.yaml(path) for path in ("bomb.yml", "many.yml", "long.yml")] == [None] * 3
    assert tree.yaml("merge.yml") is not None
    assert rules(tree) == ["malformed-yaml"] * 3


def test_values_can_always_be_encoded(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"a.json": '{"\\ud800": ["\\udfff", 123456789012345678901234567890, "\\ud83d\\ude00"]}', "b.json": "{a: NaN}"},
    )
    tree = SourceTree.open(tmp_path)
    assert json.loads(msgspec.json.encode(tree.json("a.json"))) == {"\ufffd": ["\ufffd", 1.2345678901234568e29, "😀"]}
    msgspec.json.encode(tree.json("b.json"))


@pytest.mark.parametrize(
    ("path", "content"), [("a.json", '{"a": [{"b": 1}]}'), ("a.yaml", "a: [{b: 1}]"), ("a.toml", "a = [{b = 1}]")]
)
def test_values_are_dicts_and_lists_that_nobody_can_change(tmp_path: Path, path: str, content: str) -> None:
    write(tmp_path, {path: content})
    tree = SourceTree.open(tmp_path)
    value = getattr(tree, path.partition(".")[2])(path)
    assert isinstance(value, dict)
    assert isinstance(value["a"], list)
    inner = value["a"][0]
    items = value["a"]
    changes = [
        lambda: value.update(a=1), lambda: value.pop("a"), lambda: value.clear(), lambda: value.setdefault("z", 1),
        lambda: value.__setitem__("a", 1), lambda: value.__delitem__("a"), lambda: value.popitem(),
        lambda: value.__ior__({}), lambda: items.append(1), lambda: items.sort(), lambda: items.__setitem__(0, 1),
        lambda: items.pop(), lambda: items.extend([1]), lambda: items.__iadd__([1]), lambda: items.insert(0, 1),
        lambda: items.clear(), lambda: items.reverse(), lambda: items.remove(inner), lambda: inner.update(b=2),
        lambda: items.__delitem__(0), lambda: items.__imul__(2),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(TypeError):
            change()
    mine = copy.deepcopy(value)
    mine["a"][0]["b"] = mine["a"].append("new")
    assert getattr(tree, path.partition(".")[2])(path) == value != mine
    assert len(value["a"]) == 1


# ------------------------------------------------------------------------------------------ shares and copies


def test_languages_are_counted_without_vendored_and_minified_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.py": "xxx",
            "b.py": "x",
            "c.ts": "xxxx",
            "d.rb": "xxxx",
            "vendor/j.js": "xxxxxx",
            "x.min.js": "xxxxxx",
            "README.md": "x",
        },
    )
    shares = SourceTree.open(tmp_path).language_shares()
    assert [(s.name, s.files, s.bytes) for s in shares] == [("python", 2, 4), ("ruby", 1, 4), ("typescript", 1, 4)]


def test_extracting_writes_private_files_below_a_new_folder(tmp_path: Path) -> None:
    top = write(tmp_path / "top", {"a.txt": "x", "bin/run.sh": "echo", "big": b"x" * (2 * 1024 * 1024)})
    (top / "bin/run.sh").chmod(0o755)
    (top / "link").symlink_to("/etc/passwd")
    out = tmp_path / "out"
    SourceTree.open(top).extract(out)
    modes = {p.relative_to(out).as_posix(): oct(p.stat().st_mode & 0o777) for p in out.rglob("*")}
    assert modes == {"a.txt": "0o600", "bin": "0o700", "bin/run.sh": "0o700", "big": "0o600"}
    assert out.stat().st_mode & 0o777 == 0o700
    assert (out / "big").stat().st_size == 2 * 1024 * 1024
    with pytest.raises(FileExistsError):
        SourceTree.open(top).extract(out)


def test_a_folder_and_its_zip_are_the_same_source(tmp_path: Path) -> None:
    top = write(
        tmp_path / "top",
        {"package.json": '{"name": "x"}', "src/a.py": "x = 1", "vendor/modules.txt": "", "vendor/m/a.go": ""},
    )
    pack_folder(top, tmp_path / "s.zip")
    with SourceTree.open(top) as unpacked, SourceTree.open(tmp_path / "s.zip") as packed:
        assert packed.files == unpacked.files == ("package.json", "src/a.py")
        assert packed.contents() == unpacked.contents()
        assert packed.json("package.json") == {"name": "x"}
        assert packed.language_shares() == unpacked.language_shares()
        packed.extract(tmp_path / "out")
    assert (tmp_path / "out/vendor/m/a.go").exists()


def test_a_zip_can_be_read_by_forked_processes_at_once(tmp_path: Path) -> None:
    top = write(tmp_path / "top", {f"f{n}": bytes([n]) * 50_000 for n in range(20)})
    pack_folder(top, tmp_path / "s.zip")
    tree = SourceTree.open(tmp_path / "s.zip")
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            good = all(tree.bytes(f"f{n}") == bytes([n]) * 50_000 for n in range(20))
            os._exit(0 if good else 1)
        children.append(child)
    assert all(tree.bytes(f"f{n}") == bytes([n]) * 50_000 for n in range(20))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def test_a_forgotten_zip_holds_no_file_open(tmp_path: Path) -> None:
    pack_folder(write(tmp_path / "top", {"a": "x"}), tmp_path / "s.zip")
    before = len(os.listdir("/proc/self/fd"))
    assert [SourceTree.open(tmp_path / "s.zip").text("a") for _ in range(20)] == ["x"] * 20
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_zip_damaged_since_it_was_kept_gives_findings_not_errors(tmp_path: Path) -> None:
    pack_folder(write(tmp_path / "top", {"a": "x" * 1000, "b": "y"}), tmp_path / "s.zip")
    raw = bytearray((tmp_path / "s.zip").read_bytes())
    raw[33] ^= 0xFF
    (tmp_path / "s.zip").write_bytes(raw)
    tree = SourceTree.open(tmp_path / "s.zip")
    assert (tree.text("a"), tree.text("b")) == (None, "y")
    assert rules(tree) == ["unreadable-file"]


def test_opening_and_reading_imports_nothing_heavy(tmp_path: Path) -> None:
    write(tmp_path, {"package.json": "{}"})
    code = (
        "import sys; from autostack.core.source import SourceTree; t = SourceTree.open(sys.argv[1]);"
        "t.json('package.json'); heavy = 'yaml pathspec re2 zipfile pyjson5 xml defusedxml asyncio tempfile'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
