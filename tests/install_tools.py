"""Installs the validators that tests use, each into an environment of its own: they pin many packages.

`python tests/install_tools.py [NAME …]`; what is there in the wanted version is left alone. The folder is
`AUTOSTACK_TOOLS`, by default `.tools` beside the package.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

LIST = Path(__file__).with_name("tools.txt")


def folder() -> Path:
    """Where the tools' environments are."""
    return Path(os.environ.get("AUTOSTACK_TOOLS") or Path(__file__).resolve().parent.parent / ".tools")


def wanted() -> dict[str, str]:
    """Each tool's environment, and the requirement that belongs in it."""
    lines = (line.split() for line in LIST.read_text(encoding="utf-8").splitlines())
    return {words[0]: words[1] for words in lines if len(words) == 2 and not words[0].startswith("#")}


def install(name: str, requirement: str) -> None:
    """Make a tool's environment, unless it holds this very requirement."""
    place = folder() / name
    mark = place / "requirement.txt"
    if mark.is_file() and mark.read_text(encoding="utf-8") == requirement:
        return
    venv.create(place, with_pip=True, clear=True)
    subprocess.run([place / "bin" / "python", "-m", "pip", "install", "--quiet", requirement], check=True)
    mark.write_text(requirement, encoding="utf-8")


def main() -> None:
    """Install the tools that are named, or all."""
    tools = wanted()
    for name in sys.argv[1:] or tools:
        install(name, tools[name])


if __name__ == "__main__":
    main()
