"""Environment variables by name and value: which are secrets, which carry a resource's address.

Values of secrets never leave these functions: what is no plain default becomes None.
"""

import re
from typing import Literal, get_args

from autostack.core.claims import EnvValue, NeedValue
from autostack.core.model import ResourceEnv

Part = Literal["url", "host", "port", "user", "password", "database"]
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

# A name is a secret's if one of its words is here, or two that follow each other.
SECRET_WORDS = (
    "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASS", "PWD", "PASSPHRASE", "TOKEN", "APIKEY", "CREDENTIAL",
    "CREDENTIALS", "DSN", "SALT", "PEPPER", "PRIVATEKEY", "SIGNATURE", "PIN",
)  # fmt: skip
SECRET_PAIRS = (
    "API_KEY", "ACCESS_KEY", "SECRET_KEY", "PRIVATE_KEY", "MASTER_KEY", "APP_KEY", "APP_KEYS", "ENCRYPTION_KEY",
    "SIGNING_KEY", "AUTH_KEY", "SERVICE_KEY", "LICENSE_KEY", "COOKIE_KEY", "SESSION_KEY", "JWT_KEY", "HASH_KEY",
    "ROLE_KEY", "WEBHOOK_URL", "ACCESS_KEY_ID",
)  # fmt: skip
# Names that hold such a word and yet are none.
PLAIN_PAIRS = (
    "PUBLIC_KEY", "PUBLISHABLE_KEY", "TOKEN_EXPIRY", "TOKEN_EXPIRE", "TOKEN_EXPIRES", "TOKEN_EXPIRATION", "TOKEN_TTL",
    "TOKEN_LIFETIME", "TOKEN_URL", "TOKEN_ISSUER", "TOKEN_AUDIENCE", "TOKEN_ALGORITHM", "MAX_TOKENS",
    "PASSWORD_RESET", "PASSWORD_MIN", "SECRET_NAME", "TOKEN_EXPIRE_MINUTES", "SITE_KEY", "ANON_KEY",
)  # fmt: skip

# Prefixes with which a bundler puts a variable into the page for everybody to read.
# https://vite.dev/guide/env-and-mode, https://nextjs.org/docs/app/guides/environment-variables
PUBLIC_PREFIXES = (
    "VITE_", "NEXT_PUBLIC_", "REACT_APP_", "VUE_APP_", "NUXT_PUBLIC_", "GATSBY_", "EXPO_PUBLIC_",
    "STORYBOOK_", "NG_APP_", "ASTRO_PUBLIC_",
)  # fmt: skip

# What the shell, the system or the language's own runtime sets: no setting of the application.
SYSTEM_NAMES = frozenset((
    "PATH", "HOME", "USER", "SHELL", "PWD", "TMPDIR", "TEMP", "TMP", "LANG", "LANGUAGE", "LC_ALL", "TERM", "CI",
    "HOSTNAME", "DEBIAN_FRONTEND", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHASHSEED",
    "PYTHONFAULTHANDLER", "PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_DEFAULT_TIMEOUT",
    "PIP_ROOT_USER_ACTION", "VIRTUAL_ENV", "POETRY_VERSION", "POETRY_HOME", "POETRY_NO_INTERACTION",
    "POETRY_VIRTUALENVS_CREATE", "POETRY_VIRTUALENVS_IN_PROJECT", "POETRY_CACHE_DIR", "UV_COMPILE_BYTECODE",
    "UV_LINK_MODE", "UV_PYTHON_DOWNLOADS", "UV_PROJECT_ENVIRONMENT", "UV_CACHE_DIR", "UV_SYSTEM_PYTHON", "PNPM_HOME",
    "NPM_CONFIG_LOGLEVEL", "NODE_VERSION", "YARN_VERSION", "GOPATH", "GOOS", "GOARCH", "CGO_ENABLED", "GO111MODULE",
    "BUNDLE_PATH", "BUNDLE_WITHOUT", "BUNDLE_DEPLOYMENT", "GEM_HOME", "NEXT_TELEMETRY_DISABLED",
    "CHOKIDAR_USEPOLLING", "WATCHPACK_POLLING", "WDS_SOCKET_PORT", "TZ", "UID", "GID", "PUID", "PGID",
    "DOCKER_BUILDKIT", "COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COREPACK_ENABLE_DOWNLOAD_PROMPT",
    "npm_package_version", "npm_lifecycle_event", "VITEST", "JEST_WORKER_ID", "NODE_OPTIONS",
    "USERNAME", "LOGNAME", "EDITOR", "VISUAL", "PAGER", "DISPLAY", "WAYLAND_DISPLAY", "COLUMNS", "LINES", "NO_COLOR",
    "FORCE_COLOR", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "USERPROFILE", "COMPUTERNAME", "SYSTEMROOT", "WINDIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSH_AUTH_SOCK", "SSH_CONNECTION",
    "INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "MAINPID",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONSTARTUP", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONUTF8",
    "CONDA_PREFIX", "WERKZEUG_RUN_MAIN", "WERKZEUG_SERVER_FD", "SERVER_SOFTWARE", "GATEWAY_INTERFACE", "RUN_MAIN",
    "TOX_ENV_NAME", "TRAVIS", "CIRCLECI", "GITLAB_CI", "JENKINS_URL", "BUILDKITE", "APPVEYOR", "READTHEDOCS",
    "COVERAGE_PROCESS_START",
))  # fmt: skip
# Beginnings of such names: the systems' own, continuous integration's, test runners'.
SYSTEM_PREFIXES = (
    "XDG_", "LC_", "PYTEST_", "GITHUB_ACTION", "GITHUB_RUN", "GITHUB_REF", "GITHUB_HEAD_", "GITHUB_BASE_",
    "GITHUB_EVENT_", "GITHUB_SHA", "GITHUB_WORK", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_", "CI_", "NPM_CONFIG_",
    "npm_", "JEST_", "KUBERNETES_SERVICE_",
)  # fmt: skip

# scheme of an address -> kind of resource
SCHEMES: dict[str, str] = {
    "postgres": "postgres", "postgresql": "postgres", "postgis": "postgres", "pgsql": "postgres", "mysql": "mysql",
    "mariadb": "mysql", "sqlite": "sqlite", "sqlite3": "sqlite", "mongodb": "mongodb", "mongodb+srv": "mongodb",
    "redis": "redis", "rediss": "redis", "valkey": "redis", "memcached": "memcached", "memcache": "memcached",
    "amqp": "rabbitmq", "amqps": "rabbitmq", "kafka": "kafka", "nats": "nats", "mssql": "mssql", "sqlserver": "mssql",
    "smtp": "smtp", "smtps": "smtp",
}  # fmt: skip

# Last words of a name -> which part of an address it carries; longer ones first.
PARTS: tuple[tuple[str, str], ...] = (
    ("URL", "url"), ("URI", "url"), ("DSN", "url"), ("CONNECTION_STRING", "url"), ("HOST", "host"),
    ("HOSTNAME", "host"), ("SERVER", "host"), ("ADDR", "host"), ("ADDRESS", "host"), ("ENDPOINT", "url"),
    ("PORT", "port"), ("USERNAME", "user"), ("USER", "user"), ("PASSWORD", "password"), ("PASS", "password"),
    ("PASSWD", "password"), ("DATABASE", "database"), ("DB_NAME", "database"), ("DBNAME", "database"),
    ("NAME", "database"), ("DB", "database"),
)  # fmt: skip


def is_secret(name: str) -> bool:
    """Whether a variable's name says that its value must not be shown."""
    words = "_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper() + "_"
    if is_public(name) or any(f"_{pair}_" in words for pair in PLAIN_PAIRS):
        return False
    return any(f"_{word}_" in words for word in (*SECRET_WORDS, *SECRET_PAIRS))


def is_public(name: str) -> bool:
    """Whether a bundler writes the variable into the page."""
    return name.startswith(PUBLIC_PREFIXES)


_CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s/@]{0,200}:[^\s/@]{1,200}@", re.IGNORECASE)
# `Host=db;Username=app;Password=…`, as .NET and ODBC write addresses.
_PAIR = re.compile(r"(?:^|[;\s])(?:password|pwd)\s*=\s*[^;\s]", re.IGNORECASE)
# Keys of well-known services show by how they begin.
_KEYS = re.compile(
    r"(?:sk|pk|rk)[-_](?:live|test|proj|ant)|AKIA[0-9A-Z]{12}|gh[pousr]_|xox[abpr]-|eyJ[\w-]{10}|SG\.|-----BEGIN|AIza"
)


def holds_secret(value: str) -> bool:
    """Whether a value looks like a key, or is an address with a password in it."""
    return bool(_CREDENTIALS.search(value) or _KEYS.search(value) or _PAIR.search(value))


def default(name: str, value: str | None) -> str | None:
    """A default that may be kept and shown, or None."""
    if value is None or value == "" or len(value) > 500 or is_secret(name) or holds_secret(value):
        return None
    return value if value.isprintable() else None


def setting(name: str, value: str | None = None, required: bool = False) -> EnvValue | None:
    """The claim's value for a variable; None if it is none of the application's."""
    if not NAME.fullmatch(name) or name in SYSTEM_NAMES or name.startswith(SYSTEM_PREFIXES):
        return None
    public = is_public(name)
    secret = is_secret(name) or (value is not None and holds_secret(value) and not public)
    return EnvValue(
        required=required,
        secret=secret,
        default=default(name, value),
        phase="build" if public else "run",
        public=public,
    )


def scheme(value: str) -> str | None:
    """The kind of resource that an address points at (`postgresql+asyncpg://…`), or None."""
    head, separator, _ = value.strip().strip("\"'").partition("://")
    if not separator:
        return (
            "sqlite"
            if value.startswith(("sqlite:", "file:")) and value.endswith((".db", ".sqlite", ".sqlite3"))
            else None
        )
    head = head.lower().removeprefix("jdbc:")
    return SCHEMES.get(head) or SCHEMES.get(head.partition("+")[0])


def part(name: str) -> str | None:
    """Which part of an address a variable carries, by the end of its name (`DB_HOST`: host), or None."""
    upper = name.upper()
    return next(
        (found for end, found in PARTS if upper == end or upper.endswith("_" + end) or upper.endswith(end)), None
    )


def carried(name: str, part: str) -> ResourceEnv | None:
    """The claim's value for a variable that carries a part of an address; None if the part is none."""
    known = next((one for one in get_args(Part) if one == part), None)
    return ResourceEnv(name, known) if known else None


def need(name: str, required: bool = True, version: str | None = None) -> NeedValue:
    """The claim's value for a resource whose address the variable carries."""
    found = carried(name, part(name) or "")
    return NeedValue(required=required, version=version, env=(found,) if found else ())
