"""How close opening a folder of 4,000 files comes to the barest walk that there is. Prints the ratio of the medians.

.venv/bin/python benchmarks/walk.py
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from autostack.core.source import SourceTree

FILES = 4000
ROUNDS = 9


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="autostack-walk-") as name:
        top = Path(name)
        (top / ".gitignore").write_text("*.pyc\n/dist\nbuild/\n")
        for n in range(FILES):
            file = top / f"p{n % 20}/m{n % 200}/f{n}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x")
        pairs = [(bare(top), ours(top)) for _ in range(ROUNDS)]
    walk, opened = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{FILES} files: scandir with sizes {walk * 1e3:.1f} ms, SourceTree.open {opened * 1e3:.1f} ms", end=", ")
    print(f"ratio {opened / walk:.1f}x")


def bare(top: Path) -> float:
    begin = time.perf_counter()
    folders = [str(top)]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                entry.stat(follow_symlinks=False)
    return time.perf_counter() - begin


def ours(top: Path) -> float:
    begin = time.perf_counter()
    with SourceTree.open(top) as tree:
        assert len(tree.files) == FILES + 1
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
