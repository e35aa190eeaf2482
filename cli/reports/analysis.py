"""An analysis as a page of text: each service, what was found and where it stands, then resources and findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.cli import terminal
from autostack.cli.reports.why import place, value

if TYPE_CHECKING:
    from autostack.core.model import Analysis, Env, Finding, Process, Resource, Service

SEVERITY_COLORS = {"high": "red", "medium": "yellow", "low": "cyan", "info": "white"}
SHOWN_ENV = 12
SHOWN_FINDINGS = 8

# label, field of Service; in this order, those that have an answer
ROWS: tuple[tuple[str, str], ...] = (
    ("install", "install_command"),
    ("build", "build_command"),
    ("release", "release_command"),
    ("start", "start_command"),
    ("files", "static_dir"),
    ("port", "port"),
    ("health", "health_path"),
)


def show(analysis: Analysis, path: str, *, everything: bool = False) -> None:
    """Print the report."""
    services = len(analysis.services)
    if not services:
        terminal.say(f"No application was found in {terminal.clean(path)}.")
        terminal.say("If there is one, name its start_command in autostack.yaml.")
    else:
        counted = [_count(services, "service"), _count(len(analysis.resources), "resource")]
        counted.append(_count(len(analysis.findings), "finding"))
        terminal.say(f"{terminal.bold(terminal.clean(path))}: {', '.join(counted)}")
    for service in analysis.services:
        _service(service, analysis, everything)
    if analysis.resources:
        terminal.heading("Needs")
        called = {service.root: service.name for service in analysis.services}
        terminal.say("\n".join(terminal.table([_resource(resource, called) for resource in analysis.resources])))
    if analysis.libraries:
        terminal.heading("Libraries")
        rows = [[lib.name, lib.language or "", terminal.dim(lib.root)] for lib in analysis.libraries]
        terminal.say("\n".join(terminal.table(rows)))
    _conflicts(analysis)
    _findings(analysis.findings, everything)
    if analysis.incomplete:
        terminal.say()
        names = ", ".join(analysis.incomplete)
        terminal.say(f"{terminal.colored('Incomplete', 'yellow')}: these could not finish: {terminal.clean(names)}")
    if services:
        terminal.say()
        terminal.say(terminal.dim("Why: autostack analyze --why FIELD, such as port, framework or env.NAME"))


def summary(service: Service) -> str:
    """`web · python 3.13 · django`."""
    runtime = service.runtime
    parts = [service.kind, f"{runtime.name} {runtime.version or ''}".strip() if runtime else service.language or ""]
    parts += [service.framework or ""]
    return " · ".join(part for part in parts if part)


def _service(service: Service, analysis: Analysis, everything: bool) -> None:
    terminal.heading(f"{service.name}  {terminal.colored(summary(service), 'cyan')}")
    rows = [["in", f"{terminal.clean(service.root)}/", ""]] if service.root != "." else []
    for label, name in ROWS:
        found = getattr(service, name)
        if found is not None:
            shown = f"{found} (${service.port_env})" if name == "port" and service.port_env else value(found)
            rows.append([label, shown, _evidence(analysis, f"{service.root}#{name}")])
    for process in service.processes:
        if process.command not in (service.start_command, service.release_command):
            rows.append([*_process(process), _evidence(analysis, f"{service.root}#processes.{process.name}.command")])
    rows += [
        ["keeps", f"{v.path} ({v.purpose})", _evidence(analysis, f"{service.root}#volumes.{v.path}")]
        for v in service.volumes
    ]
    if service.needs:
        rows.append(["needs", ", ".join(service.needs), ""])
    terminal.say("\n".join(terminal.table(_fitted(rows))))
    _environment(service.env, everything)


def _fitted(rows: list[list[str]]) -> list[list[str]]:
    room = max(terminal.width() - 14, 40)
    texts = min(max((len(row[1]) for row in rows), default=0), room * 3 // 5)
    places = room - texts
    return [
        [terminal.dim(label), terminal.shorten(text, texts), terminal.dim(terminal.shorten(where, places))]
        for label, text, where in rows
    ]


def _process(process: Process) -> tuple[str, str]:
    label = process.name if process.kind in ("web", "worker") else f"{process.kind} {process.name}"
    when = f" ({process.schedule})" if process.schedule else ""
    return label, f"{value(process.command)}{when}"


def _evidence(analysis: Analysis, key: str) -> str:
    answer = analysis.why.get(key)
    if answer is None or not answer.evidence:
        return ""
    first = answer.evidence[0]
    others = f" +{len(answer.alternatives)} other" if answer.alternatives else ""
    return f"{place(first)}  {terminal.clean(first.reason)}{others}"


def _environment(env: list[Env], everything: bool) -> None:
    if not env:
        return
    important = sorted(env, key=lambda e: (not e.required, not e.secret, e.name))
    shown = important if everything else important[:SHOWN_ENV]
    words = []
    for variable in shown:
        marks = [word for word, is_so in (("required", variable.required), ("secret", variable.secret)) if is_so]
        marked = f" ({', '.join(marks)})" if marks else ""
        words.append(f"{terminal.clean(variable.name)}{marked}")
    if len(shown) < len(env):
        words.append(f"and {len(env) - len(shown)} more (--all)")
    lines, line = [], "  " + terminal.dim("env") + "      "
    indent, used = " " * 11, 11
    for number, word in enumerate(words):
        piece = word + ("," if number < len(words) - 1 else "")
        if used + len(piece) + 1 > terminal.width() and used > len(indent):
            lines.append(line)
            line, used = indent, len(indent)
        line += piece + " "
        used += len(piece) + 1
    terminal.say("\n".join([*lines, line]).rstrip())


def _resource(resource: Resource, names: dict[str, str]) -> list[str]:
    kind = [resource.kind if resource.kind != resource.name else "", resource.version or ""]
    kind += ["" if resource.required else "(optional)"]
    users = ", ".join(names.get(root, root) for root in resource.used_by)
    where = place(resource.evidence[0]) if resource.evidence else ""
    what = " ".join(word for word in kind if word)
    return [resource.name, what, terminal.clean(f"used by {users}" if users else ""), terminal.dim(where)]


def _conflicts(analysis: Analysis) -> None:
    if not analysis.conflicts:
        return
    terminal.heading("Conflicts")
    for conflict in analysis.conflicts:
        others = ", ".join(value(other.value) for other in conflict.others)
        where = "" if conflict.root == "." else f"{terminal.clean(conflict.root)}: "
        terminal.say(
            f"  {where}{conflict.field} is {value(conflict.chosen)}, not {others}: {terminal.clean(conflict.reason)}"
        )


def _findings(findings: list[Finding], everything: bool) -> None:
    if not findings:
        return
    terminal.heading("Findings")
    ordered = sorted(findings, key=lambda f: list(SEVERITY_COLORS).index(f.severity))
    shown = ordered if everything else ordered[:SHOWN_FINDINGS]
    for finding in shown:
        where = finding.path or ""
        where += f":{finding.line}" if finding.path and finding.line else ""
        head = terminal.colored(f"{finding.severity:<6}", SEVERITY_COLORS[finding.severity])
        terminal.say(f"  {head}  {terminal.clean(finding.message)}  {terminal.dim(terminal.clean(where))}")
        if finding.fix:
            terminal.say(f"          {terminal.dim('→ ' + terminal.clean(finding.fix))}")
    if len(shown) < len(findings):
        terminal.say(f"  and {len(findings) - len(shown)} more (--all)")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
