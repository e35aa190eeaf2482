"""The processes of a service: which claims mean the same one, which one absorbs which, and which is the main one.

Two sources name one process differently (a Procfile's `web`, compose's `api`, a framework's default): what makes them
the same is the role. Sources are laid down strongest first; a process whose role is already there is absorbed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast, get_args

from autostack.core import names, roles
from autostack.core.claimset import ClaimSet
from autostack.core.model import Build, Claim, Port, Process, ProcessKind
from autostack.core.ranking import Decision, Record, order, plain, ranked, source_row
from autostack.core.strengths import RANK

# The claims that say how strong a process is, and from which source; memory or a health path say nothing about that.
TELLING = ("kind", "command", "ports", "schedule", "build")
KINDS = ("web", "worker", "cron", "cli")  # in the order in which they become the main process; release never does
MOST_PROCESSES = 100  # of one root, strongest first: what is compared with each other must be bounded
ABSORBING = RANK["declared"]  # processes at least as strong are a developer's own word

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass
class Draft:
    """A process on its way: its claims by part (`kind`, `command` …)."""

    name: str
    claims: dict[str, list[Claim]] = field(default_factory=dict)
    _derived: dict[str, object] = field(default_factory=dict, repr=False)

    def add(self, part: str, claims: Iterable[Claim]) -> None:
        """Take further claims of one part."""
        self.claims.setdefault(part, []).extend(claims)
        self._derived.clear()

    def of(self, part: str) -> list[Claim]:
        return self._once(f"claims of {part}", lambda: ranked(self.claims.get(part, ())))

    def _once(self, key: str, derive: Callable[[], T]) -> T:
        if key not in self._derived:
            self._derived[key] = derive()
        return cast(T, self._derived[key])

    @property
    def all(self) -> list[Claim]:
        """All claims, strongest first."""
        return ranked(claim for found in self.claims.values() for claim in found)

    @property
    def tier(self) -> tuple[int, int]:
        """The strength of its strongest telling claim, and that claim's source: the smaller, the stronger."""
        return self._once("tier", self._tier)

    def _tier(self) -> tuple[int, int]:
        telling = [claim for part in TELLING for claim in self.claims.get(part, ())] or self.all
        return min(
            (RANK[claim.strength], source_row(claim) if claim.strength == "declared" else 0) for claim in telling
        )

    @property
    def is_told(self) -> bool:
        """Does a claim say that there is such a process, not only how large it is?"""
        return any(self.claims.get(part) for part in TELLING)

    @property
    def command(self) -> str | None:
        return self._once("command", self._command)

    def _command(self) -> str | None:
        found = self.commands()
        return str(found[0].value) if found else None

    def commands(self) -> list[Claim]:
        """The claims of its command in order: what is for development comes last, unless the user wants it."""
        return sorted(self.claims.get("command", ()), key=lambda claim: (_for_development(claim), order(claim)))

    @property
    def kind(self) -> str:
        return self._once("kind", self._kind)

    def _kind(self) -> str:
        claimed = self.of("kind")
        if claimed:
            return str(claimed[0].value)
        return roles.kind(self.name, self.command, ports=bool(self.ports), schedule=bool(self.claims.get("schedule")))

    @property
    def is_open(self) -> bool:
        """Does nothing say yet what it does: no command, no kind, no port, and a name that means nothing?"""
        said = any(self.claims.get(part) for part in ("kind", "command", "ports", "role", "schedule"))
        return not said and self.name.lower() not in roles.KIND_BY_NAME

    @property
    def role(self) -> str:
        return self._once("role", self._role)

    def _role(self) -> str:
        claimed = self.of("role")
        return str(claimed[0].value) if claimed else roles.role(self.kind, self.command, self.name)

    @property
    def ports(self) -> list[Port]:
        found = self.of("ports")
        return cast(list[Port], found[0].value) if found else []

    @property
    def published(self) -> list[int]:
        return sorted(port.port for port in self.ports if port.public)

    @property
    def of_framework(self) -> bool:
        """Is it what the code itself is, by its framework or manifest, and not only what a deployment file calls it?"""
        telling = [claim for part in ("kind", "command") for claim in self.claims.get(part, ())]
        return any(claim.strength in ("manifest", "convention") for claim in telling)

    @property
    def is_loose(self) -> bool:
        """Has it no command of its own, or one for development only? Then it may be the framework's process."""
        return self._once("is_loose", self._is_loose)

    def _is_loose(self) -> bool:
        command = self.command
        return command is None or roles.is_development(command)

    def absorb(self, other: Draft) -> None:
        """Take over another one's claims: they answer what this one leaves open, and are alternatives of the rest."""
        for part, claims in other.claims.items():
            self.add(part, claims)


def drafts(claims: ClaimSet, root: str) -> list[Draft]:
    """The processes that are claimed at a root, one a name and role, strongest first."""
    by_name: dict[str, list[Claim]] = {}
    for rest, found in claims.below(root, "processes").items():
        by_name.setdefault(rest.rpartition(".")[0], []).extend(found)
    split = [draft for name in sorted(by_name) for draft in _split(name, by_name[name])]
    known = sorted((draft for draft in split if draft.is_told), key=lambda draft: (draft.tier, draft.name))
    known = known[:MOST_PROCESSES]
    by_final_name: dict[str, Draft] = {}
    given = names.Names()
    for draft in known:
        wanted = draft.name if _NAME.fullmatch(draft.name) else names.label(draft.name, draft.kind)
        draft.name = given.take(wanted)
        by_final_name[draft.name] = draft
    for draft in split:
        if not draft.is_told and draft.name in by_final_name:  # memory for a process that there isn't makes none
            by_final_name[draft.name].absorb(draft)
    return sorted(known, key=lambda draft: (draft.tier, draft.name))


def absorbed(found: Sequence[Draft], framework_port: int | None) -> list[Draft]:
    """The processes that stay, after each has absorbed those that are the same."""
    kept: list[Draft] = []
    for draft in found:
        host = _host(draft, kept, found, framework_port)
        if host is None:
            kept.append(draft)
        else:
            host.absorb(draft)
    return kept


def main(found: Sequence[Draft]) -> Draft | None:
    """The one that the service is about."""

    def standing(draft: Draft) -> tuple[int, bool, int, str]:
        return (
            KINDS.index(draft.kind),
            not draft.of_framework,
            min(draft.published, default=1 << 16),
            draft.name,
        )

    able = [draft for draft in found if draft.kind in KINDS]
    return min(able, key=standing, default=None)


def serves(draft: Draft) -> bool:
    """Is it a web process that does more than hand out files, or than help while developing?"""
    command = draft.command
    if draft.kind != "web":
        return False
    if command is None:
        return draft.of_framework
    return not roles.is_development(command) and not roles.is_static_server(command)


def assemble(
    record: Record, root: str, draft: Draft, *, public: bool, singleton: bool, port: int | None = None
) -> Process:
    """The process, with why for each of its answers. `port` is what the service decided for its main process."""
    settled: dict[str, Decision | None] = {
        part: record.settle(root, f"processes.{draft.name}.{part}", draft.of(part))
        for part in ("role", "health_path", "schedule", "memory_mib", "singleton", "build")
    }
    commands = draft.commands()
    key = f"processes.{draft.name}.command"
    settled["command"] = record.settle(root, key, commands, equal=roles.same, conflict=False, sort=False)
    if settled["command"] is not None:
        record.note_conflict(root, key, settled["command"], rivals(settled["command"]))
    listening = f"processes.{draft.name}.ports"
    settled["ports"] = record.settle(root, listening, draft.of("ports"), equal=same_ports, conflict=port is None)
    ports = _ports(draft, settled["ports"], port, public)
    by = f"{root}#{listening if settled['ports'] else 'port'}"
    if ports and by in record.why:
        record.why[f"{root}#{listening}"] = replace(record.why[by], value=plain(ports))
    kind = _settled_kind(record, root, draft)
    role = _text(settled["role"]) or roles.role(kind, draft.command, draft.name)
    alone = _flag(settled["singleton"], singleton or roles.is_singleton(role, draft.command))
    by_command = (settled["command"].winner if settled["command"] else None) or (draft.all[0] if draft.all else None)
    for part, answer in (("role", role), ("public", public), ("singleton", alone)):
        if by_command is not None and answer and settled.get(part) is None:
            record.note(root, f"processes.{draft.name}.{part}", answer, by_command)
    return Process(
        name=draft.name,
        kind=kind,
        role=role,
        command=_text(settled["command"]),
        ports=ports,
        public=public,
        health_path=_text(settled["health_path"]),
        schedule=_text(settled["schedule"]),
        memory_mib=_typed(settled["memory_mib"], int),
        singleton=alone,
        build=_typed(settled["build"], Build),
    )


def rivals(decision: Decision) -> list[Claim]:
    """The commands that contradict the chosen one: as strong, and meant for the same use."""
    return [
        claim
        for claim in decision.beaten
        if claim.strength == decision.winner.strength and _for_development(claim) == _for_development(decision.winner)
    ]


def same_ports(one: object, other: object) -> bool:
    """Do two lists name the same ports? Whether they are public is no difference."""
    return _numbers(one) == _numbers(other)


# --------------------------------------------------------------------------------------------- what is the same process


def _split(name: str, claims: list[Claim]) -> list[Draft]:
    """One draft a role, where plugins mean different things by one name; what the user says is about all of them."""
    commands = ranked(c for c in claims if _part(c) == "command" and c.strength != "override")
    plugin_role: dict[str, str] = {}
    for claim in commands:
        command = str(claim.value)
        if not roles.is_launcher(command):
            role = roles.role(roles.kind(name, command), command, name)
            plugin_role.setdefault(claim.plugin, role)
    distinct = list(dict.fromkeys(plugin_role.values()))
    if len(distinct) < 2:
        return [_draft(name, claims)]
    meant = roles.KIND_BY_NAME.get(name.lower())
    keeper = next((role for role in distinct if role.partition(":")[0] == meant), distinct[0])
    groups: dict[str, list[Claim]] = {keeper: []}
    for claim in claims:
        role = keeper if claim.strength == "override" else plugin_role.get(claim.plugin, keeper)
        groups.setdefault(role, []).append(claim)
    return [
        _draft(name if role == keeper else f"{name}-{role.rpartition(':')[2]}", found) for role, found in groups.items()
    ]


def _draft(name: str, claims: Iterable[Claim]) -> Draft:
    draft = Draft(name)
    for claim in claims:
        draft.add(_part(claim), [claim])
    return draft


def _part(claim: Claim) -> str:
    return claim.field.rpartition(".")[2]


def _host(draft: Draft, kept: Sequence[Draft], found: Sequence[Draft], framework_port: int | None) -> Draft | None:
    """Which of the stronger processes this one is, if any."""
    ports = {port.port for port in draft.ports} or ({framework_port} if framework_port else set())
    able = [host for host in kept if host.tier < draft.tier and _means_the_same(host, draft, kept, ports)]
    if not able:
        return None
    command = draft.command

    def likeness(host: Draft) -> tuple[bool, bool, bool, bool, int, str]:
        return (
            host.name != draft.name,
            command is None or host.command is None or not roles.same(host.command, command),
            not ports & {port.port for port in host.ports},
            host.is_loose,
            min(host.published, default=1 << 16),
            host.name,
        )

    best = min(able, key=likeness)
    peers = [other for other in found if other.tier == draft.tier and other.role == draft.role]
    declared = draft.tier[0] <= ABSORBING
    if declared and len(peers) > 1 and all(likeness(best)[:3]) and not (draft.is_loose and draft.kind == "web"):
        return None  # two of a kind stand in one file: the developer means two
    return best


def _means_the_same(host: Draft, draft: Draft, kept: Sequence[Draft], ports: set[int]) -> bool:
    if draft.kind == "web" and host.is_open:
        return sum(other.is_open for other in kept) == 1
    if host.kind != draft.kind:
        return False
    if host.kind == "web" and host.is_loose and host.role == draft.role:
        loose = [other for other in kept if other.kind == "web" and other.is_loose]
        return len(loose) == 1 or bool(ports & {port.port for port in host.ports})
    if host.role == draft.role:
        return True
    # `make worker` may be Celery: one can't tell, and two workers that do the same are worse than one
    opaque = [one for one in (host, draft) if one.command is None or roles.is_launcher(one.command)]
    return (
        host.kind == "worker"
        and any(one.role == "worker" for one in opaque)
        and sum(k.kind == "worker" for k in kept) == 1
    )


# ---------------------------------------------------------------------------------------------- answers


def _for_development(claim: Claim) -> bool:
    return claim.strength != "override" and roles.is_development(str(claim.value))


def _settled_kind(record: Record, root: str, draft: Draft) -> ProcessKind:
    decision = record.settle(root, f"processes.{draft.name}.kind", draft.of("kind"))
    kind = draft.kind
    if decision is None and draft.all:
        record.note(root, f"processes.{draft.name}.kind", kind, draft.all[0])
    return cast(ProcessKind, kind if kind in get_args(ProcessKind) else "worker")


def _ports(draft: Draft, decision: Decision | None, chosen: int | None, public: bool) -> list[Port]:
    """The ports by number; the service's own port takes the place of the first, and is open if the process is."""
    claimed = cast(list[Port], decision.value) if decision else []
    opened = {
        port.port for claim in draft.claims.get("ports", ()) for port in cast(list[Port], claim.value) if port.public
    }
    ports = {port.port: Port(port.port, port.protocol, port.port in opened) for port in claimed}
    first = first_port(claimed)
    if chosen is not None and chosen not in ports:
        known = ports.pop(first.port) if first else Port(chosen)
        ports[chosen] = Port(chosen, known.protocol, known.public)
    answering = chosen if chosen is not None else (first.port if first else None)
    if public and answering is not None and not any(port.public for port in ports.values()):
        ports[answering] = Port(answering, ports[answering].protocol, True)
    return [ports[number] for number in sorted(ports)]


def first_port(ports: Iterable[Port]) -> Port | None:
    """The one that stands for the process: HTTP before others, public before private, then the lowest."""
    return min(
        ports, key=lambda port: (port.protocol not in ("http", "grpc"), not port.public, port.port), default=None
    )


def _numbers(value: object) -> list[tuple[int, str]]:
    ports = value if isinstance(value, list) else []
    return sorted((port.port, port.protocol) for port in ports if isinstance(port, Port))


def _text(decision: Decision | None) -> str | None:
    return _typed(decision, str)


def _typed(decision: Decision | None, kind: type[T]) -> T | None:
    return decision.value if decision is not None and isinstance(decision.value, kind) else None


def _flag(decision: Decision | None, otherwise: bool) -> bool:
    return decision.value if decision is not None and isinstance(decision.value, bool) else otherwise
