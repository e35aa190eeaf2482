"""What AutoStack knows: the values that analyzers, generators, deployers, the API and outside programs exchange.

Plain dataclasses; msgspec encodes, decodes and validates them. `None` means "none, or not known" (`Analysis.why` tells
which), never an empty string. Keys are always present in the encoded form. Closed lists stand in `vocabulary.py`.
"""

from dataclasses import dataclass, field
from typing import Literal

from autostack.core.strengths import Strength

ServiceKind = Literal["web", "worker", "cron", "static", "cli"]
ProcessKind = Literal["web", "worker", "cron", "release", "cli"]
Severity = Literal["info", "low", "medium", "high"]
Phase = Literal["build", "run", "both"]
Cpu = Literal["arm64", "x86_64"]


# ---------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True)
class Evidence:
    """Where an answer stands. `path` is relative to the source's top, `line` counts from 1, `reason` is a phrase."""

    path: str
    line: int | None
    reason: str


@dataclass(frozen=True)
class Claim:
    """One analyzer's word on one field of one root.

    root      folder that the claim speaks about, relative to the source's top; "." is the top itself
    field     a name of `FIELDS` in `claims.py`, such as `framework`, `python.version` or `processes.web.command`
    value     of the type that the table gives for the field
    strength  how sure the *kind of source* makes it (`strengths.py`)
    evidence  at least one place
    plugin    filled in by the host
    """

    root: str
    field: str
    value: object
    strength: Strength
    evidence: list[Evidence]
    plugin: str = ""


@dataclass(frozen=True)
class Finding:
    """Something about the source that its author should know. `patch` is a unified diff, where one can be written."""

    rule: str
    severity: Severity
    path: str | None
    line: int | None
    message: str
    fix: str | None = None
    patch: str | None = None


@dataclass(frozen=True)
class Alternative:
    """A claim that lost."""

    value: object
    strength: Strength
    plugin: str
    evidence: list[Evidence]


@dataclass(frozen=True)
class Why:
    """The winning claim of a field, and all that it beat."""

    value: object
    strength: Strength
    plugin: str
    evidence: list[Evidence]
    alternatives: list[Alternative] = field(default_factory=list)


@dataclass(frozen=True)
class ConflictOther:
    """One of the values that were as strong as the chosen one."""

    value: object
    strength: Strength
    evidence: list[Evidence]


@dataclass(frozen=True)
class Conflict:
    """Two claims of equal standing that differ: one was chosen, by the reason given."""

    root: str
    field: str
    chosen: object
    others: list[ConflictOther]
    reason: str


# ---------------------------------------------------------------------------------------------- analysis


@dataclass(frozen=True)
class Runtime:
    """`requested` as written in the source, `version` what is installed (never a range), `source` the file."""

    name: str
    version: str | None = None
    requested: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Build:
    """How an image is built from a Dockerfile of the source. Paths are relative to the source's top."""

    context: str
    dockerfile: str
    target: str | None = None
    args: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Port:
    """A port that a process listens on; `public` ones are published."""

    port: int
    protocol: Literal["http", "tcp", "udp", "grpc"] = "http"
    public: bool = False


@dataclass(frozen=True)
class Process:
    """One program of a service. `command` is POSIX sh, typed in the service's root; `schedule` five fields, UTC."""

    name: str
    kind: ProcessKind
    role: str
    command: str | None = None
    ports: list[Port] = field(default_factory=list)
    public: bool = False
    health_path: str | None = None
    schedule: str | None = None
    memory_mib: int | None = None
    singleton: bool = False
    build: Build | None = None


@dataclass(frozen=True)
class Toolchain:
    """What one language needs in a service: where it is installed and built, and with what."""

    name: str
    root: str
    package_manager: str | None = None
    install_command: str | None = None
    build_command: str | None = None
    output_dir: str | None = None
    runtime: Runtime | None = None


@dataclass(frozen=True)
class SystemPackage:
    """A Debian package."""

    name: str
    phase: Literal["build", "run"]


@dataclass(frozen=True)
class Env:
    """An environment variable that the code reads. A secret's default is never kept."""

    name: str
    required: bool = False
    secret: bool = False
    default: str | None = None
    phase: Phase = "run"
    public: bool = False
    read_at: list[tuple[str, int | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Volume:
    """A folder whose content must outlive a release; `path` is relative to the service's root, or absolute."""

    path: str
    purpose: Literal["database", "uploads", "cache", "state"]
    evidence: list[Evidence] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """This service calls `service`, whose address it reads from the variable `env`."""

    service: str
    env: str | None = None


@dataclass(frozen=True)
class Image:
    """A container image that is used as it is."""

    image: str
    private: bool = False


@dataclass(frozen=True)
class Service:
    """A root that something can run or serve from: one build, any number of processes."""

    root: str
    build_root: str
    name: str
    kind: ServiceKind
    language: str | None = None
    framework: str | None = None
    libraries: list[str] = field(default_factory=list)
    runtime: Runtime | None = None
    package_manager: str | None = None
    package_manager_version: str | None = None
    install_command: str | None = None
    build_command: str | None = None
    start_command: str | None = None
    release_command: str | None = None
    port: int | None = None
    port_env: str | None = None
    health_path: str | None = None
    static_dir: str | None = None
    build: Build | None = None
    processes: list[Process] = field(default_factory=list)
    toolchains: list[Toolchain] = field(default_factory=list)
    system_packages: list[SystemPackage] = field(default_factory=list)
    env: list[Env] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)


@dataclass(frozen=True)
class ResourceEnv:
    """The variable `name` carries this `part` of the resource's address."""

    name: str
    part: Literal["url", "host", "port", "user", "password", "database"]


@dataclass(frozen=True)
class Resource:
    """Something that the application needs and does not bring: a database, a cache, a bucket."""

    name: str
    kind: str
    version: str | None = None
    required: bool = True
    used_by: list[str] = field(default_factory=list)
    env: list[ResourceEnv] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)


@dataclass(frozen=True)
class Library:
    """A root with a manifest that nothing runs from."""

    root: str
    name: str
    language: str | None = None


@dataclass(frozen=True)
class LanguageShare:
    """How much of the source is written in a language."""

    name: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Analysis:
    """All that is known about one source. `services` has the primary one first."""

    version: int = 1
    services: list[Service] = field(default_factory=list)
    libraries: list[Library] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    languages: list[LanguageShare] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    why: dict[str, Why] = field(default_factory=dict)


# ---------------------------------------------------------------------------------------------- architecture


@dataclass(frozen=True)
class Target:
    """Where an application can run. `plan_only` says why this installation can't deploy there, if it can't."""

    name: str
    title: str
    description: str
    cloud: bool = False
    plan_only: str | None = None


@dataclass(frozen=True)
class Size:
    """What a component takes: virtual CPUs, memory, disk."""

    vcpu: float | None = None
    mib: int | None = None
    gib: int | None = None


@dataclass(frozen=True)
class Count:
    """How many of a component run."""

    min: int = 1
    max: int = 1


@dataclass(frozen=True)
class Health:
    """How a component is asked whether it is well: an HTTP path, or None for a TCP connection."""

    path: str | None = None
    port: int | None = None
    interval_s: int = 10
    timeout_s: int = 5
    start_s: int = 60


@dataclass(frozen=True)
class Mount:
    """`volume` is the id of a volume component; `path` the folder inside the component."""

    volume: str
    path: str
    purpose: Literal["database", "uploads", "cache", "state"] = "state"


@dataclass(frozen=True)
class Usage:
    """How much of one item of the price table a month takes. Multiplied and added by `cost.py` alone."""

    service: str
    item: str
    region: str
    unit: str
    low: float
    medium: float
    high: float


@dataclass(frozen=True)
class Component:
    """A thing that a target makes. `env` holds names only; values live with the deployment."""

    id: str
    kind: str
    service: str | None = None
    process: str | None = None
    resource: str | None = None
    image: str | None = None
    command: list[str] = field(default_factory=list)
    port: int | None = None
    health: Health | None = None
    env: list[str] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    size: Size | None = None
    count: Count = field(default_factory=Count)
    schedule: str | None = None
    depends_on: list[str] = field(default_factory=list)
    usage: list[Usage] = field(default_factory=list)


@dataclass(frozen=True)
class Route:
    """Requests for `host` (None: any) below `path` go to the component."""

    host: str | None
    path: str
    component: str


@dataclass(frozen=True)
class BuildPlace:
    """Where images are built, and about how long it takes."""

    place: Literal["none", "here", "instance", "codebuild"] = "none"
    minutes: float = 0


@dataclass(frozen=True)
class Architecture:
    """What a target would make of an analysis, or why it declines."""

    target: str
    region: str | None = None
    cpu: Cpu = "arm64"
    components: list[Component] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    build: BuildPlace = field(default_factory=BuildPlace)
    secrets: list[str] = field(default_factory=list)
    externals: list[str] = field(default_factory=list)
    domain: str | None = None
    declined: str | None = None
    assumptions: list[str] = field(default_factory=list)


# ---------------------------------------------------------------------------------------------- cost


@dataclass(frozen=True)
class Allowance:
    """An amount that an account gets free of charge every month, for ever. Prices that share a name share it."""

    name: str
    amount: float
    source: str
    source_date: str
    confidence: Literal["page", "repo-data", "secondary", "memory"]


@dataclass(frozen=True)
class Price:
    """One line of a price table: USD for one `unit`, with the source it was read from and that source's date."""

    service: str
    item: str
    unit: str
    region: str
    price: float
    source: str
    source_date: str
    confidence: Literal["page", "repo-data", "secondary", "memory"]
    note: str | None = None
    allowance: Allowance | None = None


@dataclass(frozen=True)
class Amount:
    """A quantity or a sum at low, medium and high use."""

    low: float
    medium: float
    high: float


@dataclass(frozen=True)
class CostLine:
    """One item of one component for a month. `unit_price` and `cost` are None where the table lacks the item."""

    component: str
    service: str
    item: str
    unit: str
    quantity: Amount
    unit_price: float | None
    cost: Amount | None
    region: str
    source: str
    source_date: str
    confidence: str
    note: str | None = None


@dataclass(frozen=True)
class CostEstimate:
    """USD a month, unrounded. `missing` names what the price table lacks."""

    target: str
    currency: str = "USD"
    region: str | None = None
    lines: list[CostLine] = field(default_factory=list)
    total: Amount = field(default_factory=lambda: Amount(0, 0, 0))
    missing: list[str] = field(default_factory=list)
    prices_as_of: str | None = None
    assumptions: list[str] = field(default_factory=list)


# ---------------------------------------------------------------------------------------------- bundle, plan, outcome


@dataclass(frozen=True)
class GeneratedFile:
    """A file that a generator wrote. `path` is relative to the application's top; `mode` as in chmod."""

    path: str
    content: str
    purpose: str
    mode: int = 0o644
    generator: str = ""


@dataclass(frozen=True)
class Bundle:
    """All files of one analysis, the architectures they render, and what each costs."""

    files: list[GeneratedFile] = field(default_factory=list)
    architectures: list[Architecture] = field(default_factory=list)
    costs: list[CostEstimate] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """One row of a plan. `detail` says in words what is done; `replaces` what is lost by it."""

    action: Literal["add", "change", "replace", "remove", "keep"]
    kind: str
    name: str
    detail: str | None = None
    replaces: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a deployer would do. `calls` are the commands or API operations; `body` what is put there, byte for byte."""

    changes: list[Change] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    body: str = ""
    predicted: bool = False
    downtime: str | None = None
    warnings: list[str] = field(default_factory=list)
    account: str | None = None
    region: str | None = None
    monthly_before: float | None = None
    monthly_after: float | None = None


@dataclass(frozen=True)
class Existing:
    """Something that exists because of a deployment, and what it costs a month in USD."""

    type: str
    id: str
    monthly_usd: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a deploy or destroy; also the answer to "what exists?" (`deployment_checked`)."""

    state: Literal["done", "failed", "cancelled", "unknown"]
    reason: str | None = None
    url: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    exists: list[Existing] = field(default_factory=list)
    next: list[str] = field(default_factory=list)


# ---------------------------------------------------------------------------------------------- entities


@dataclass(frozen=True)
class Project:
    """What plugins learn of a project."""

    id: str
    name: str


@dataclass(frozen=True)
class Deployment:
    """The place where one project runs on one target. `stack` is its name there; `url` where it answers."""

    id: str
    project: str
    target: str
    stack: str
    status: str
    current_release: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True)
class Release:
    """One bundle put on a deployment. `checkpoint` is what the deployer last saved with `ctx.checkpoint`."""

    id: str
    deployment: str
    number: int
    bundle: str
    status: str
    attempt: int = 0
    checkpoint: dict[str, object] | None = None
    plan: Plan | None = None
    rollback_of: str | None = None


@dataclass(frozen=True)
class Event:
    """One entry of the log. `payload` is what the event's hook is told, by argument name or as ids."""

    id: int
    name: str
    version: int
    project: str | None
    payload: dict[str, object]
    time: str
