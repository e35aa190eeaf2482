"""Commands as Dockerfiles, compose files and Procfiles write them: as one POSIX sh string, and the kind of process."""

import re
import shlex
from collections.abc import Sequence

from autostack.core import roles
from autostack.core.model import ProcessKind

# Of several kinds that the words of a name mean, the first of these: `web-worker` is a worker.
KINDS: tuple[ProcessKind, ...] = ("release", "worker", "web", "cron", "cli")

# Names of processes and of compose services that say what they are. A whole word of the name decides.
NAME_KINDS: dict[str, ProcessKind] = {
    "web": "web", "api": "web", "app": "web", "server": "web", "backend": "web", "frontend": "web", "client": "web",
    "site": "web", "website": "web", "www": "web", "ui": "web", "http": "web", "gateway": "web", "admin": "web",
    "worker": "worker", "workers": "worker", "celery": "worker", "queue": "worker", "consumer": "worker",
    "jobs": "worker", "job": "worker", "sidekiq": "worker", "bot": "worker", "beat": "worker", "celerybeat": "worker",
    "scheduler": "worker", "clock": "worker", "cron": "worker", "daemon": "worker", "processor": "worker",
    "rq": "worker", "rqworker": "worker", "dramatiq": "worker", "huey": "worker",
    "release": "release", "migrate": "release", "migration": "release", "migrations": "release", "migrator": "release",
    "initdb": "release", "prestart": "release",
}  # fmt: skip
# A process of these names must not run twice: it would do everything twice.
SINGLETON_NAMES = ("beat", "celerybeat", "scheduler", "clock", "cron")

# A wrapper in front of the program: the process is what follows.
WRAPPERS = ("tini", "dumb-init", "catatonit", "--")

# What a POSIX shell doesn't understand: such a command stays bash's.
BASH_ONLY = ("/dev/tcp/", "/dev/udp/", "[[", "<<<", "<(", ">(", "pipefail", "${!", "&>", "source ")


def shell(words: Sequence[str]) -> str:
    """An argument array as a sh string. `["sh", "-c", "x && y"]` is `x && y`."""
    left = list(words)
    while left and (_wraps(left[0]) or (left[0] == "-g" and _wraps(words[0]))):
        left = left[1:]
    if (
        len(left) == 3
        and left[0].rpartition("/")[2] in ("sh", "bash", "ash", "dash")
        and left[1] in ("-c", "-lc", "-ec")
        and not (left[0].rpartition("/")[2] == "bash" and any(word in left[2] for word in BASH_ONLY))
    ):
        return left[2].strip()
    return shlex.join(left)


def _wraps(word: str) -> bool:
    return word.rpartition("/")[2] in WRAPPERS


def is_script(words: Sequence[str]) -> bool:
    """Whether an entry point is a script that prepares and then runs what follows it (`docker-entrypoint.sh`)."""
    left = [word for word in words if not _wraps(word) and word not in ("sh", "bash", "/bin/sh", "/bin/bash")]
    return not left or left[0].endswith((".sh", "entrypoint"))


MAX_COMMAND = 4000  # characters


def kind(
    command: str | None, name: str, *, ports: bool = False, default: ProcessKind | None = None
) -> ProcessKind | None:
    """What a process is: by its program, else its published ports, else a word of its name, else the default."""
    told = {roles.kind(word, command) for word in ("web", "worker")}  # two names, one answer: the command decided
    if command and len(told) == 1:
        only = told.pop()
        return next((found for found in KINDS if found == only), default)
    if ports:
        return "web"
    named = {NAME_KINDS[word] for word in re.split(r"[-_.\d]+", name.lower()) if word in NAME_KINDS}
    return next((found for found in KINDS if found in named), default)


def is_singleton(command: str | None, name: str) -> bool:
    """Whether a process plans work at set times, and so must run only once."""
    role = roles.role("worker", command, name)
    planned = any(word in SINGLETON_NAMES for word in re.split(r"[-_.]+", name.lower()))
    return planned or roles.is_singleton(role, command)
