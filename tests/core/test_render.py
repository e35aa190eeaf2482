"""Whatever a value holds, the rendered file parses, and gives the value back."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autostack.core.render import (
    LITERALS,
    Command,
    NotRepresentable,
    RenderError,
    Templates,
    check_template,
    literal,
    raw,
)
from autostack.core.text import Text, Variable

HOSTILE = (
    'a" } resource "x" {',
    "'; touch /tmp/owned; '",
    "$(touch /tmp/owned) `id`",
    "${HOME} $HOME $$ %{ if true }",
    "{{ 7 * 7 }} {% raw %}",
    "line\nFROM scratch\nRUN evil",
    "- a: b\n  c: [",
    "yes",
    "null",
    "1e5",
    "0x1f",
    "2026-11-24",
    "12:30:45",
    "# comment",
    "\\",
    'ends with \\"',
    "tab\there",
    "\x07\x1b[31m\x7f\x85\u2028",
    "\u202eabc",
    "ü 😀 \U000e0001",
    "",
    " ",
    "<<EOF",
    "<<",
    "=",
    "~",
    "*a &b !c",
    "--flag",
)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))


@pytest.fixture
def templates(tmp_path: Path):
    def make(format: str, **files: str) -> Templates:
        for name, text in files.items():
            (tmp_path / f"{name}.j2").write_text(text)
        return Templates(tmp_path, "sample", format)

    return make


def _representable(value: str, format: str) -> str | None:
    try:
        return literal(value, format)
    except NotRepresentable:
        return None


@given(TEXTS, TEXTS)
def test_yaml_gives_every_text_back_as_text(one: str, other: str) -> None:
    if _representable(one, "yaml") is None or _representable(other, "yaml") is None:
        return
    rendered = f"a: {literal(one, 'yaml')}\nb: {literal([one, {other: one}], 'yaml')}\n"
    assert yaml.safe_load(rendered) == {"a": one, "b": [one, {other: one}]}


@pytest.mark.parametrize("value", [None, True, False, 0, -7, 10**30, 1.5, 1e-7, 1e22, [1, "1"], {"a": [None]}])
def test_yaml_gives_plain_values_back_with_their_types(value: object) -> None:
    found = yaml.safe_load(literal(value, "yaml"))
    assert found == value
    assert type(found) is type(value)


def _interpolate(text: str, environment: dict[str, str]) -> str:
    """Compose's rule: `$$` is `$`, `${NAME…}` the variable."""
    parts = []
    rest = text
    while rest:
        if rest.startswith("$$"):
            parts.append("$")
            rest = rest[2:]
        elif rest.startswith("${"):
            inside, _, rest = rest[2:].partition("}")
            parts.append(environment[inside.partition(":")[0]])
        else:
            assert not rest.startswith("$"), text
            parts.append(rest[0])
            rest = rest[1:]
    return "".join(parts)


@given(TEXTS)
def test_compose_gives_every_text_back_after_interpolation(value: str) -> None:
    if _representable(value, "compose") is None:
        return
    assert _interpolate(yaml.safe_load(literal(value, "compose")), {}) == value


@given(TEXTS, TEXTS)
def test_compose_keeps_a_variable_apart_from_the_text_around_it(before: str, after: str) -> None:
    text = Text(before, Variable("DB_PASSWORD", required=True), after)
    try:
        rendered = literal(text, "compose")
    except NotRepresentable:
        return
    assert _interpolate(yaml.safe_load(rendered), {"DB_PASSWORD": "p$w"}) == f"{before}p$w{after}"


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS.filter(lambda text: "\0" not in text and _representable(text, "yaml") is not None), min_size=1))
def test_the_shell_gives_every_word_back(words: list[str]) -> None:
    rendered = literal(words, "shell")
    script = f"for word in {rendered}; do printf '%s\\0' \"$word\"; done"
    answer = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout
    assert answer == b"".join(word.encode() + b"\0" for word in words)
    assert shlex.split(rendered) == words


def test_a_shell_variable_stays_one_word() -> None:
    rendered = literal(Text("a b ", Variable("X"), "; c"), "shell")
    script = f"X='1 2'; for word in {rendered}; do printf '%s|' \"$word\"; done"
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True).stdout == "a b 1 2; c|"


@given(TEXTS)
def test_json_gives_every_text_back(value: str) -> None:
    assert json.loads(literal({"a": [value]}, "json")) == {"a": [value]}


def _hcl_text(quoted: str) -> str:
    """What HCL reads in a quoted template without interpolation."""
    assert quoted[0] == quoted[-1] == '"'
    assert "\n" not in quoted
    inner = quoted[1:-1]
    for sign in "$%":
        assert sign + "{" not in inner.replace(f"{sign}{sign}{{", "")
    escaped = inner.replace("$${", "${").replace("%%{", "%{")
    return yaml.safe_load(f'"{escaped}"')  # the escapes that are used mean the same in YAML


@given(TEXTS)
def test_hcl_gives_every_text_back(value: str) -> None:
    if _representable(value, "hcl") is None:
        return
    assert _hcl_text(literal(value, "hcl")) == value


def _dockerfile_word(text: str) -> str:
    """What BuildKit reads in a word of ENV, LABEL or WORKDIR."""
    if not text.startswith('"'):
        assert not set(text) & set("\"'\\$ \n")
        return text
    assert text.endswith('"')
    parts = []
    inner = iter(text[1:-1])
    for character in inner:
        assert character not in '"$\n'
        parts.append(next(inner) if character == "\\" else character)
    return "".join(parts)


@given(TEXTS)
def test_a_dockerfile_word_is_read_back_or_refused(value: str) -> None:
    rendered = _representable(value, "dockerfile")
    if rendered is None:
        assert any(not character.isprintable() for character in value)
    else:
        assert _dockerfile_word(rendered) == value


@given(st.lists(TEXTS, min_size=1))
def test_a_dockerfile_list_is_exec_form_on_one_line(words: list[str]) -> None:
    try:
        rendered = literal(words, "dockerfile")
    except NotRepresentable:
        return
    assert json.loads(rendered) == words
    assert len(rendered.splitlines()) == 1


@given(TEXTS)
def test_a_command_never_leaves_its_run_line(command: str) -> None:
    try:
        rendered = literal(Command(command), "dockerfile")
    except NotRepresentable:
        return
    assert len(rendered.splitlines()) == 1
    assert not rendered.endswith("\\")
    if rendered.startswith("["):
        assert json.loads(rendered) == ["/bin/sh", "-c", command]
    else:
        assert rendered == command.strip()
        assert "<<" not in rendered


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_an_env_file_is_read_back_by_the_shell_or_refused(tmp_path: Path, value: str) -> None:
    rendered = _representable(value, "env")
    if rendered is None:
        return
    file = tmp_path / "env"
    file.write_text(f"VALUE={rendered}\n", encoding="utf-8")
    script = '. "$0"; printf %s "$VALUE"'
    assert subprocess.run(["/bin/sh", "-c", script, str(file)], capture_output=True).stdout == value.encode()


def test_a_value_that_a_format_cannot_carry_is_refused_with_the_templates_name(templates) -> None:
    sample = templates("dockerfile", Dockerfile="ENV A={{ value }}\n")
    with pytest.raises(RenderError, match=r"Dockerfile\.j2"):
        sample.render("Dockerfile.j2", value="a\nRUN evil")


@pytest.mark.parametrize("format", sorted(LITERALS))
def test_no_format_prints_an_object_that_it_does_not_know(format: str) -> None:
    with pytest.raises(NotRepresentable):
        literal(object(), format)


def test_a_misspelt_name_is_an_error_and_not_an_empty_text(templates) -> None:
    sample = templates("yaml", a="image: {{ imgae }}\n")
    with pytest.raises(RenderError, match="imgae"):
        sample.render("a.j2", image="x")


@pytest.mark.parametrize("filter", ["safe", "escape", "e", "tojson", "forceescape", "string", "format", "replace"])
def test_filters_that_would_unquote_are_gone(templates, filter: str) -> None:
    sample = templates("yaml", a="{{ value|" + filter + " }}\n")
    with pytest.raises(RenderError):
        sample.render("a.j2", value="x")


TRICKS = (
    "{% macro m() %}k: {% endmacro %}{{ m() ~ value }}",
    "{% macro m() %}k: {% endmacro %}{{ m() + value }}",
    "{% macro m() %}k: {% endmacro %}{{ m() % value }}",
    "{% macro m() %}k: {% endmacro %}{{ m().join([value, value]) }}",
    "{% macro m() %}k: {}{% endmacro %}{{ m().format(value) }}",
    "{% macro m() %}k: {% endmacro %}{{ [m(), value]|join(' ') }}",
    "{% set b %}k: {% endset %}{{ b ~ value }}",
    "{% autoescape false %}{% set b %}k: {% endset %}{{ b ~ value }}{% endautoescape %}",
)


@pytest.mark.parametrize("trick", TRICKS)
def test_rendered_text_never_lends_its_trust_to_a_value(templates, trick: str) -> None:
    sample = templates("yaml", a=trick)
    try:
        rendered = sample.render("a.j2", value="x\nowned: yes")
    except RenderError:
        return
    assert "\nowned" not in rendered


def test_macros_blocks_and_joined_text_are_quoted_once(templates) -> None:
    sample = templates(
        "yaml",
        a="{% macro entry(k, v) %}{{ k }}: {{ v }}\n{% endmacro %}"
        "{{ entry('name', value) }}{% set block %}again: {{ value ~ '!' }}\n{% endset %}{{ block }}"
        "both: {{ [value, 'b']|join('-') }}\nraw: {{ finished }}\n",
    )
    rendered = sample.render("a.j2", value='x" y', finished=raw("[1, 2]"))
    assert yaml.safe_load(rendered) == {"name": 'x" y', "again": 'x" y!', "both": 'x" y-b', "raw": [1, 2]}


def test_the_sandbox_keeps_templates_from_the_interpreter(templates) -> None:
    sample = templates("yaml", a="{{ value.__class__.__mro__ }}")
    with pytest.raises(RenderError):
        sample.render("a.j2", value="x")


def test_the_operators_template_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin, operator = tmp_path / "plugin", tmp_path / "operator"
    for folder, text in ((plugin, "ours: {{ value }}\n"), (operator / "sample", "theirs: {{ value }}\n")):
        folder.mkdir(parents=True)
        (folder / "a.j2").write_text(text)
    (plugin / "b.j2").write_text("only: {{ value }}\n")
    monkeypatch.setenv("AUTOSTACK_TEMPLATES", str(operator))
    sample = Templates(plugin, "sample", "yaml")
    assert sample.render("a.j2", value="x") == "theirs: x\n"
    assert sample.render("b.j2", value="x") == "only: x\n"


def test_an_unknown_format_or_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="toml"):
        Templates(tmp_path, "sample", "toml")
    with pytest.raises(RenderError, match=r"gone\.j2"):
        Templates(tmp_path, "sample", "yaml").render("gone.j2")


@pytest.mark.parametrize(
    "text",
    [
        'name: "pre-{{ name }}"\n',
        "RUN echo '{{ name }}'\n",
        'RUN echo "it\'s {{ name }}"\n',
        "# built from {{ name }}\nFROM x\n",
        "a: 1 # {{ name }}\n",
        "cat <<EOF\n{{ name }}\nEOF\n",
        "cat <<'END' > x\nhello {{ name }}\nEND\n",
        "script: |\n  echo {{ name }}\n",
        "- |-\n  {{ name }}\n",
        'a="one\n{{ name }}"\n',
        'echo "{% if a %}{{ name }}{% endif %}"\n',
        "{% macro m(x) %}{{ x }}{% endmacro %}name: 'pre-{{ m(name) }}'\n",
    ],
)
def test_an_expression_where_no_literal_may_stand_is_found(text: str) -> None:
    assert check_template(text), text


@pytest.mark.parametrize(
    "text",
    [
        "name: {{ name }}\n",
        "# don't worry\nname: {{ name }}\n",
        "script: |\n  echo \"it's\n\nname: {{ name }}\n",
        "cat <<EOF\nit's\nEOF\necho {{ name }}\n",
        'echo "a \\" b" {{ name }}\n',
        "{# it's fine #}name: {{ name }}\n",
        "a: 'it''s'\nb: {{ name }}\n",
        "list:\n{% for x in xs %}\n  - {{ x }}\n{% endfor %}\n",
        "echo $# {{ name }}\n",
        '{% macro tags() %}\n\nTags: {{ t }}{% endmacro %}script: |\n  echo "hi{{ tags() }}\n',
    ],
)
def test_an_expression_in_its_place_is_let_through(text: str) -> None:
    assert check_template(text) == []


def test_every_template_of_the_package_prints_only_whole_literals() -> None:
    import autostack.plugins as plugins

    top = Path(plugins.__file__).parent
    files = sorted(top.rglob("*.j2"))
    assert files
    problems = {str(f.relative_to(top)): found for f in files if (found := check_template(f.read_text("utf-8")))}
    assert problems == {}


def test_no_template_is_hidden_because_such_files_vanish_from_the_wheel() -> None:
    import autostack.plugins as plugins

    assert [f for f in Path(plugins.__file__).parent.rglob("*.j2") if f.name.startswith(".")] == []
