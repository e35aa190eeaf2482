"""Which language a file is written in, by its name: for the shares of a source, not for finding out what it runs on."""

from collections.abc import Callable, Iterable
from typing import Final

from autostack.core.model import LanguageShare

# Programming languages only: markup, data and prose say little about what an application needs.
EXTENSIONS: Final = {
    "astro": "astro", "bash": "shell", "c": "c", "cbl": "cobol", "cc": "cpp", "cjs": "javascript", "clj": "clojure",
    "cljc": "clojure", "cljs": "clojure", "cob": "cobol", "coffee": "coffeescript", "cpp": "cpp", "cpy": "cobol",
    "cr": "crystal", "cs": "csharp", "cshtml": "csharp", "css": "css", "cts": "typescript", "cxx": "cpp",
    "dart": "dart", "erl": "erlang", "ex": "elixir", "exs": "elixir", "fs": "fsharp", "fsx": "fsharp",
    "gleam": "gleam", "go": "go", "groovy": "groovy", "h": "c", "heex": "elixir", "hh": "cpp", "hpp": "cpp",
    "hrl": "erlang", "hs": "haskell", "htm": "html", "html": "html", "java": "java", "jl": "julia",
    "js": "javascript", "jsx": "javascript", "kt": "kotlin", "kts": "kotlin", "less": "css", "lua": "lua",
    "mjs": "javascript", "ml": "ocaml", "mli": "ocaml", "mts": "typescript", "nim": "nim", "php": "php", "pl": "perl",
    "pm": "perl", "ps1": "powershell", "py": "python", "pyi": "python", "pyx": "python", "r": "r", "rake": "ruby",
    "razor": "csharp", "rb": "ruby", "rkt": "scheme", "rs": "rust", "sass": "css", "sc": "scala", "scala": "scala",
    "scm": "scheme", "scss": "css", "sh": "shell", "sql": "sql", "ss": "scheme", "svelte": "svelte", "swift": "swift",
    "ts": "typescript", "tsx": "typescript", "vb": "vb", "vue": "vue", "zig": "zig", "zsh": "shell",
}  # fmt: skip

NAMES: Final = {"Gemfile": "ruby", "Rakefile": "ruby", "config.ru": "ruby", "Jenkinsfile": "groovy"}

VENDORED_FOLDERS: Final = frozenset({"vendor", "vendors", "third_party", "third-party", "thirdparty", "Godeps"})
GENERATED_ENDS: Final = (
    ".min.js", ".min.css", ".bundle.js", "-min.js", "-min.css", ".pb.go", "_pb2.py", "_pb2_grpc.py", ".d.ts", ".g.dart",
    ".designer.cs", ".generated.ts", ".generated.js",
)  # fmt: skip


def language(path: str) -> str | None:
    """The language of a file, or None: not a program's source, or vendored, minified or generated."""
    *folders, name = path.split("/")
    if not VENDORED_FOLDERS.isdisjoint(folders) or name.lower().endswith(GENERATED_ENDS):
        return None
    return NAMES.get(name) or EXTENSIONS.get(name.rpartition(".")[2].lower() if "." in name else "")


def shares(files: Iterable[str], size: Callable[[str], int]) -> list[LanguageShare]:
    """Files and bytes of each language, most bytes first, equals by name."""
    counted: dict[str, tuple[int, int]] = {}
    for path in files:
        name = language(path)
        if name is not None:
            number, total = counted.get(name, (0, 0))
            counted[name] = number + 1, total + size(path)
    found = [LanguageShare(name, number, total) for name, (number, total) in counted.items()]
    return sorted(found, key=lambda share: (-share.bytes, share.name))
