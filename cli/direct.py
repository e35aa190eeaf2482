"""Analysis, generation and cost without database or bus: stages of `core/pipeline.py`, asked of a fork of this one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autostack.core.errors import Declined, InputRefused

if TYPE_CHECKING:
    from autostack.core.host import ForkHere
    from autostack.core.model import Analysis, Bundle, Target
    from autostack.core.plugins import Manifest, Registry

DEADLINE_S = 60.0


@dataclass(frozen=True)
class Source:
    """What is looked at: the path that was typed, and the folder or zip that plugins read."""

    given: Path
    path: Path

    @property
    def name(self) -> str:
        return self.given.resolve().name or "app"


@contextmanager
def source(path: str) -> Iterator[Source]:
    """A folder as it is; an archive after it was read under caps. InputRefused if it can be neither."""
    given = Path(path)
    if not given.exists():
        raise InputRefused(f"{path}: no such file or folder")
    if given.is_dir():
        if not any(given.iterdir()):
            raise InputRefused(f"{path} is an empty folder: name the one with your application in it")
        yield Source(given, given)
        return
    if not given.is_file():
        raise InputRefused(f"{path} is neither a folder nor an archive")
    import tempfile

    from autostack.core.archive import read_upload

    with tempfile.TemporaryDirectory(prefix="autostack-") as folder:
        kept = Path(folder) / "source.zip"
        read_upload(given, kept)
        yield Source(Path(given.name.split(".")[0] or "app"), kept)


class Direct:
    """The stages, asked of plugins that this process imported."""

    def __init__(self) -> None:
        from autostack.core import settings
        from autostack.core.host import ForkHere
        from autostack.core.plugins import Registry

        self.settings = settings.load()
        if self.settings.templates is not None:
            os.environ["AUTOSTACK_TEMPLATES"] = str(self.settings.templates)  # the forks read it there
        self.registry: Registry = Registry(self.settings.plugin_paths, self.settings.plugin_settings)
        self._here: ForkHere = ForkHere(self.registry)
        self._manifest: Manifest | None = None

    def refused(self) -> list[str]:
        """The plugins that aren't in service, each with its reason."""
        return [f"plugin {problem.plugin} isn't in service: {problem.reason}" for problem in self.registry.problems]

    def analyse(self, source: Source) -> Analysis:
        """The analysis of a source."""
        from autostack.core import pipeline
        from autostack.core.host import Opening
        from autostack.core.model import Project
        from autostack.core.session import Session

        opening = Opening("analyzer", source=str(source.path.resolve()))
        with Session(self._here.fork, opening, deadline=time.monotonic() + DEADLINE_S) as session:
            return pipeline.analyse(session, Project("local", source.name))

    def generate(self, source: Source, analysis: Analysis, targets: Sequence[str] = ()) -> Bundle:
        """Files, architectures and costs, for the targets named or for all."""
        from autostack.core import cost, pipeline
        from autostack.core.host import Opening
        from autostack.core.model import Project
        from autostack.core.session import Session
        from autostack.core.source import SourceTree

        if not analysis.services:
            raise Declined(
                f"no application was found in {source.given}: name a start_command in autostack.yaml if there is one"
            )
        manifest = self.manifest()
        prices = cost.PriceTable(manifest.prices)
        opening = Opening("generator", source=str(source.path.resolve()))
        with Session(self._here.fork, opening, deadline=time.monotonic() + DEADLINE_S) as session:
            return pipeline.generate(
                session,
                Project("local", source.name),
                analysis,
                targets=self._wanted(manifest.targets, targets),
                owners=manifest.owners,
                estimate=lambda architecture: cost.estimate(architecture, prices),
                kept=frozenset(SourceTree.open(source.path).files),
            )

    def manifest(self) -> Manifest:
        """What the plugins register: targets, prices, and what is wrong with some of them."""
        if self._manifest is None:
            from autostack.core.child import manifest

            self._manifest = manifest(self.registry)
        return self._manifest

    def _wanted(self, known: Sequence[Target], names: Sequence[str]) -> list[Target]:
        unknown = sorted(set(names) - {target.name for target in known})
        if unknown:
            listed = ", ".join(sorted(target.name for target in known))
            raise InputRefused(f"there is no target {unknown[0]!r}; there are {listed}")
        return [target for target in known if not names or target.name in names]


@dataclass(frozen=True)
class Written:
    """What became of each file of a bundle."""

    written: list[str]
    same: list[str]
    kept: list[str]

    def state(self, path: str) -> str:
        """`wrote`, `same`, or `kept` (another content is there)."""
        return "wrote" if path in self.written else "same" if path in self.same else "kept"


def write(bundle: Bundle, out: Path, *, force: bool = False) -> Written:
    """Write a bundle's files below a folder, never through a link; one that differs stays without `force`."""
    written: list[str] = []
    same: list[str] = []
    kept: list[str] = []
    for file in bundle.files:
        place = out / file.path
        content = file.content.encode()
        for parent in place.relative_to(out).parents:
            if (out / parent).is_symlink():
                raise InputRefused(f"{out / parent} is a link: nothing is written through it; name another --out")
        if place.is_symlink() or (place.exists() and not place.is_file()):
            raise InputRefused(f"{place} is no plain file: move it away, or name another --out")
        if place.exists() and place.read_bytes() == content:
            same.append(file.path)
            continue
        if place.exists() and not force:
            kept.append(file.path)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(file.mode)
        written.append(file.path)
    return Written(written, same, kept)


def refuse_if_all_decline(bundle: Bundle) -> None:
    """`Declined` if no target takes the application, with the reasons of all."""
    declined = [a for a in bundle.architectures if a.declined is not None]
    if bundle.architectures and len(declined) == len(bundle.architectures):
        reasons = {architecture.declined or "": architecture.target for architecture in declined}
        raise Declined("; ".join(f"{target}: {reason}" for reason, target in reasons.items()))
