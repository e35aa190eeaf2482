"""The closed lists: every value that a field of the model may take. `autostack schema analysis` prints them."""

from typing import Final

STRENGTHS: Final = ("override", "declared", "manifest", "convention", "guess")
SERVICE_KINDS: Final = ("web", "worker", "cron", "static", "cli")
PROCESS_KINDS: Final = ("web", "worker", "cron", "release", "cli")
PROTOCOLS: Final = ("http", "tcp", "udp", "grpc")
SEVERITIES: Final = ("info", "low", "medium", "high")
ENV_PHASES: Final = ("build", "run", "both")
ENV_PARTS: Final = ("url", "host", "port", "user", "password", "database")
VOLUME_PURPOSES: Final = ("database", "uploads", "cache", "state")
SYSTEM_PACKAGE_PHASES: Final = ("build", "run")
COMPONENT_KINDS: Final = (
    "instance", "task", "schedule", "load_balancer", "database", "cache", "queue", "bucket", "cdn", "registry",
    "secret_store", "log_group", "volume", "network", "dns",
)  # fmt: skip
CPUS: Final = ("arm64", "x86_64")
OUTCOME_STATES: Final = ("done", "failed", "cancelled", "unknown")
CHANGE_ACTIONS: Final = ("add", "change", "replace", "remove", "keep")

# A toolchain is also the prefix of its claims (`python.version`) and the name of its runtime.
TOOLCHAINS: Final = (
    "node", "bun", "deno", "python", "ruby", "php", "go", "java", "dotnet", "rust", "elixir", "erlang", "gleam", "dart",
    "swift", "crystal", "zig", "haskell", "cpp", "scheme", "cobol", "shell", "static",
)  # fmt: skip

# What an application can need, by family. Drivers of one family in one root are alternatives of each other.
RESOURCE_FAMILIES: Final = {
    "postgres": "sql",
    "mysql": "sql",
    "sqlite": "sql",
    "mssql": "sql",
    "mongodb": "document",
    "redis": "cache",
    "memcached": "cache",
    "rabbitmq": "broker",
    "kafka": "broker",
    "nats": "broker",
    "elasticsearch": "search",
    "opensearch": "search",
    "meilisearch": "search",
    "typesense": "search",
    "s3": "bucket",
    "sqs": "queue",
    "smtp": "mail",
}
RESOURCE_KINDS: Final = tuple(RESOURCE_FAMILIES)

# Of several drivers of one family, the one that wins when nothing else decides.
FAMILY_ORDER: Final = {"sql": ("postgres", "mysql", "sqlite", "mssql"), "cache": ("redis", "memcached")}
