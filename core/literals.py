"""A value as a whole literal of an output format, or a refusal: one function for each format.

What is read back from a literal is the value, byte for byte; `tests/core/test_render.py` holds every format to that.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from autostack.core.text import Text, Variable


class NotRepresentable(ValueError):
    """A value that the format has no literal for. It is never changed: whoever renders leaves it out, and says so."""


@dataclass(frozen=True)
class Command:
    """A command line of POSIX sh. A Dockerfile's RUN has it in shell form where it is safe there, else in exec form."""

    text: str


def literal(value: object, format: str) -> str:
    """A value as a whole literal of a format; NotRepresentable if it has none."""
    return LITERALS[format](value)


_YAML_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# Words that YAML 1.1 reads as something else. https://yaml.org/type/bool.html
_YAML_OTHER: Final = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_WORD: Final = re.compile(r"[A-Za-z0-9_./:@%+=,][A-Za-z0-9_./:@%+=,-]*")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _bad(value: object, format: str, why: str = "") -> NotRepresentable:
    return NotRepresentable(f"{format} has no literal for {type(value).__name__}{': ' if why else ''}{why}")


def _plain(value: object, format: str) -> str | None:
    """Numbers and truth values, the same in all formats; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _bad(value, format, "not a finite number")
        number = repr(value)
        return number.replace("e", ".0e") if "e" in number and "." not in number else number  # a YAML float has a point
    return None


def _quoted(text: str, format: str, short: bool) -> str:
    """Text in double quotes. Everything that doesn't print, and every sign that changes direction, is escaped."""
    parts = []
    for character in text:
        code = ord(character)
        if 0xD800 <= code <= 0xDFFF:
            raise _bad(text, format, "half of a surrogate pair")
        if character in _ESCAPES:
            parts.append(_ESCAPES[character])
        elif character.isprintable():
            parts.append(character)
        elif code <= 0xFF and short:
            parts.append(f"\\x{code:02x}")
        else:
            parts.append(f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")
    return f'"{"".join(parts)}"'


def _one_line(text: str, format: str) -> str:
    if any(not character.isprintable() for character in text):
        raise _bad(text, format, "it has line breaks or control characters")
    return text


def _yaml_text(text: str) -> str:
    if _YAML_WORD.fullmatch(text) and text.lower() not in _YAML_OTHER:
        return text
    return _quoted(text, "yaml", short=True)


def _yaml(value: object) -> str:
    """A plain word or a double-quoted scalar, flow style for lists and mappings. https://yaml.org/spec/1.2.2/#57-escaped-characters"""
    return _yaml_node(value, lambda text: text, _yaml_hole)


def _compose(value: object) -> str:
    """As YAML; Compose reads `$$` as `$`. https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md"""
    return _yaml_node(value, _double, _compose_hole)


def _double(text: str) -> str:
    return text.replace("$", "$$")


def _yaml_hole(variable: Variable) -> str:
    raise _bad(variable, "yaml", "a plain YAML file is not given an environment")


def _compose_hole(variable: Variable) -> str:
    if variable.required:
        return f"${{{variable.name}:?set it in .env}}"
    if variable.default is None:
        return f"${{{variable.name}:-}}"
    if "}" in variable.default:
        raise _bad(variable, "compose", "its default has a closing brace")
    return f"${{{variable.name}:-{_double(variable.default)}}}"


def _yaml_node(value: object, change: Callable[[str], str], hole: Callable[[Variable], str]) -> str:
    if value is None:
        return "null"
    plain = _plain(value, "yaml")
    if plain is not None:
        return plain
    if isinstance(value, str):
        return _yaml_text(change(value))
    if isinstance(value, Text):
        return _yaml_text("".join(hole(p) if isinstance(p, Variable) else change(p) for p in value.parts))
    if isinstance(value, Mapping):
        pairs = (f"{_yaml_text(str(k))}: {_yaml_node(v, change, hole)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml_node(item, change, hole) for item in value) + "]"
    raise _bad(value, "yaml")


def _dockerfile(value: object) -> str:
    """A word, bare or in double quotes, as ENV, LABEL, WORKDIR and COPY read it; a JSON array for a list (exec form).

    In double quotes `\\`, `"` and `$` are escaped: https://docs.docker.com/reference/dockerfile/#environment-replacement
    """
    plain = _plain(value, "dockerfile")
    if plain is not None:
        return plain
    if isinstance(value, Command):
        return _run(value.text)
    if isinstance(value, Text):
        value = value.plain
    if isinstance(value, str):
        if _WORD.fullmatch(value):
            return value
        escaped = re.sub(r'(["$\\])', r"\\\1", _one_line(value, "dockerfile"))
        return f'"{escaped}"'
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return "[" + ", ".join(_json_text(item, "dockerfile") for item in value) + "]"
    raise _bad(value, "dockerfile")


def _json_text(text: str, format: str) -> str:
    """A JSON text that keeps what prints; everything else is escaped, in pairs where JSON needs them."""
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise _bad(text, format, "half of a surrogate pair")
    inner = (c if c.isprintable() and c not in '"\\' else json.dumps(c)[1:-1] for c in text)
    return f'"{"".join(inner)}"'


def _run(command: str) -> str:
    """A command for RUN. What could end the line, begin a here-document, a flag or an array goes into exec form."""
    simple = (
        command.strip()
        and all(character.isprintable() for character in command)
        and not command.lstrip().startswith(("[", "--", "#"))
        and "<<" not in command
        and not command.rstrip().endswith("\\")
    )
    return command.strip() if simple else _dockerfile(["/bin/sh", "-c", command])


def _shell(value: object) -> str:
    """One word of POSIX sh; a list is its words. A variable stands in double quotes, so that it stays one word."""
    if isinstance(value, bool):
        raise _bad(value, "shell")
    plain = _plain(value, "shell")
    if plain is not None:
        return shlex.quote(plain)
    if isinstance(value, str):
        if "\0" in value:
            raise _bad(value, "shell", "it has a NUL")
        return shlex.quote(value)
    if isinstance(value, Text):
        return "".join(f'"${{{p.name}}}"' if isinstance(p, Variable) else shlex.quote(p) for p in value.parts) or "''"
    if isinstance(value, list | tuple):
        return " ".join(_shell(item) for item in value)
    raise _bad(value, "shell")


def _env(value: object) -> str:
    """The value of a line in an env file that sh, Docker Compose and dotenv read alike: a word, or in single quotes."""
    plain = _plain(value, "env")
    if plain is not None:
        return plain
    if value is None:
        return ""
    if isinstance(value, str):
        if value == "" or _WORD.fullmatch(value):
            return value
        if "'" in value:
            raise _bad(value, "env", "it has a single quote")
        return f"'{_one_line(value, 'env')}'"
    raise _bad(value, "env")


def _json(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise _bad(value, "json", str(error)) from None


def _hcl(value: object) -> str:
    """`${` and `%{` begin templates, doubled they don't: https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md"""
    plain = _plain(value, "hcl")
    if plain is not None:
        return plain
    if value is None:
        return "null"
    if isinstance(value, str):
        doubled = value.replace("${", "$${").replace("%{", "%%{")
        return _quoted(doubled, "hcl", short=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_hcl(str(k))} = {_hcl(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_hcl(item) for item in value) + "]"
    raise _bad(value, "hcl")


def _text(value: object) -> str:
    """A line of prose or of a simple list: whatever prints."""
    plain = _plain(value, "text")
    if plain is not None:
        return plain
    if isinstance(value, str):
        return _one_line(value, "text")
    raise _bad(value, "text")


def _ignore(value: object) -> str:
    """A path in an ignore file, as a pattern that matches it alone. https://pkg.go.dev/path/filepath#Match"""
    return re.sub(r"([\\*?\[\]!# ])", r"\\\1", _text(value))


LITERALS: Final[dict[str, Callable[[object], str]]] = {
    "yaml": _yaml,
    "compose": _compose,
    "dockerfile": _dockerfile,
    "shell": _shell,
    "env": _env,
    "json": _json,
    "hcl": _hcl,
    "text": _text,
    "ignore": _ignore,
}
