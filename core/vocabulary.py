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

# The toolchains that can run a language, the usual one first.
LANGUAGE_TOOLCHAINS: Final = {
    "javascript": ("node", "bun", "deno"),
    "typescript": ("node", "bun", "deno"),
    "python": ("python",),
    "ruby": ("ruby",),
    "php": ("php",),
    "go": ("go",),
    "java": ("java",),
    "kotlin": ("java",),
    "scala": ("java",),
    "clojure": ("java",),
    "groovy": ("java",),
    "csharp": ("dotnet",),
    "fsharp": ("dotnet",),
    "vb": ("dotnet",),
    "rust": ("rust",),
    "elixir": ("elixir",),
    "erlang": ("erlang",),
    "gleam": ("gleam",),
    "dart": ("dart",),
    "swift": ("swift",),
    "crystal": ("crystal",),
    "zig": ("zig",),
    "haskell": ("haskell",),
    "c": ("cpp",),
    "cpp": ("cpp",),
    "scheme": ("scheme",),
    "cobol": ("cobol",),
    "shell": ("shell",),
    "html": ("static",),
}

# The toolchain that a framework belongs to, where its name is known; of others, evidence and commands tell.
FRAMEWORK_TOOLCHAINS: Final = {
    framework: toolchain
    for toolchain, frameworks in {
        "python": (
            "django", "flask", "fastapi", "starlette", "quart", "litestar", "sanic", "aiohttp", "tornado", "bottle",
            "falcon", "pyramid", "streamlit", "gradio", "chainlit", "dash", "robyn", "connexion",
        ),
        "node": (
            "next", "nuxt", "sveltekit", "remix", "react-router", "astro", "vite", "express", "fastify", "koa", "hapi",
            "hono", "nest", "nestjs", "adonisjs", "gatsby", "angular", "react-scripts", "vue-cli", "solid-start",
            "tanstack-start", "qwik", "ember", "docusaurus", "eleventy", "vitepress", "meteor", "strapi", "redwood",
            "blitz", "hydrogen",
        ),
        "ruby": ("rails", "sinatra", "hanami", "roda", "jekyll", "middleman", "bridgetown"),
        "php": ("laravel", "symfony", "lumen", "slim", "codeigniter", "cakephp", "wordpress", "drupal"),
        "go": ("gin", "echo", "fiber", "chi", "buffalo"),
        "java": ("spring-boot", "quarkus", "micronaut", "ktor", "play", "dropwizard", "vertx", "javalin", "helidon"),
        "dotnet": ("aspnet", "blazor"),
        "rust": ("axum", "actix-web", "rocket", "warp", "poem", "salvo", "loco"),
        "elixir": ("phoenix",),
        "dart": ("shelf", "dart-frog"),
        "swift": ("vapor", "hummingbird"),
        "crystal": ("lucky", "kemal", "amber"),
    }.items()
    for framework in frameworks
}  # fmt: skip

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
