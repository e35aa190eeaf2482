"""The environment of what is started: some of the machine's, the application's own, and what AutoStack knows."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from autostack.core.architecture import can_be_generated

if TYPE_CHECKING:
    from autostack.core.context import Context
    from autostack.core.model import Analysis, Service
    from autostack.plugins.deployers.local.workspace import Workspace

# What an application may learn of the machine: where programs are, which language, how the network is reached.
ALLOWED: Final = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
})  # fmt: skip
ALLOWED_PREFIXES: Final = ("LC_",)
# Only while dependencies are installed: package indexes, which may hold credentials.
INSTALL_PREFIXES: Final = (
    "PIP_",
    "UV_",
    "POETRY_",
    "NPM_CONFIG_",
    "npm_config_",
    "YARN_",
    "PNPM_",
    "BUNDLE_",
    "GOPROXY",
)

# A web process is told its port under all names that a widespread server reads.
PORT_NAMES: Final = (
    "PORT",
    "UVICORN_PORT",  # https://www.uvicorn.org/settings/
    "FLASK_RUN_PORT",  # https://flask.palletsprojects.com/en/stable/cli/
    "STREAMLIT_SERVER_PORT",  # https://docs.streamlit.io/develop/api-reference/configuration/config.toml
    "GRADIO_SERVER_PORT",  # https://www.gradio.app/guides/environment-variables
)

# What a toolchain's programs expect of a place that isn't a developer's desk.
RUN_DEFAULTS: Final[dict[str, dict[str, str]]] = {
    "python": {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "UV_NO_SYNC": "1"},
    "node": {"NODE_ENV": "production", "NPM_CONFIG_UPDATE_NOTIFIER": "false"},
    "ruby": {"RAILS_ENV": "production", "RACK_ENV": "production", "RAILS_LOG_TO_STDOUT": "1"},
}
INSTALL_DEFAULTS: Final = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "NPM_CONFIG_FUND": "false",
    "NPM_CONFIG_AUDIT": "false",
    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
    "CI": "1",
}

# Host names by which the application is reached here, for frameworks that refuse others.
LOCAL_DEFAULTS: Final = {
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
    "DJANGO_ALLOWED_HOSTS": "localhost,127.0.0.1",
}


def machine(ctx: Context, *, install: bool = False) -> dict[str, str]:
    """The machine's variables that an application, or its installation, may see."""
    prefixes = (*ALLOWED_PREFIXES, *(INSTALL_PREFIXES if install else ()))
    given: Mapping[str, str] = ctx.environment or os.environ
    found = {name: value for name, value in given.items() if name in ALLOWED or name.startswith(prefixes)}
    found.setdefault("PATH", os.defpath)
    return found


def own_secrets(analysis: Analysis, values: Mapping[str, str], workspace: Workspace) -> dict[str, str]:
    """Random values for secrets that only this application knows and nobody gave; made once and kept."""
    wanted = {
        env.name
        for service in analysis.services
        for env in service.env
        if can_be_generated(env.name) and env.required and env.name not in values and env.default is None
    }
    path = workspace.top / "secrets.json"
    try:
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (FileNotFoundError, msgspec.DecodeError):
        known = {}
    fresh = sorted(wanted - known.keys())
    if fresh:
        alphabet = string.ascii_letters + string.digits
        known.update({name: "".join(secrets.choice(alphabet) for _ in range(50)) for name in fresh})
        workspace.write(path, msgspec.json.encode(known))
    return {name: known[name] for name in sorted(wanted)}


def known(service: Service) -> dict[str, str]:
    """Values that follow from running on this machine, for variables that the service reads."""
    read = {env.name for env in service.env if env.default is None}
    return {name: value for name, value in LOCAL_DEFAULTS.items() if name in read}


def with_path(environment: dict[str, str], folders: list[str]) -> dict[str, str]:
    """The environment with folders before its PATH."""
    return {**environment, "PATH": os.pathsep.join([*folders, environment["PATH"]])}
