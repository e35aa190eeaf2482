"""How strong a claim is. One table, strongest first; there are no numbers."""

from typing import Final, Literal

Strength = Literal["override", "declared", "manifest", "convention", "guess"]

# strength -> the sources that may claim with it, strongest first inside the row
STRENGTHS: Final[dict[str, tuple[str, ...]]] = {
    "override": ("autostack.yaml", "environment", "flag"),
    "declared": (
        "platform manifest (render, railway, fly, app.json, nixpacks, railpack, vercel, netlify, Cloud Foundry)",
        "Procfile",
        "production compose file",
        "Dockerfile",
        "version file (.tool-versions, mise.toml, .nvmrc, .node-version, .python-version, runtime.txt)",
    ),
    "manifest": ("engines, requires-python, go line", "lockfile", "dependency", "toolchain file"),
    "convention": ("the framework's usual way", "an entry file by the language's convention"),
    "guess": ("development compose file", "devcontainer", "workflow", "Makefile", "dated default table"),
}

RANK: Final[dict[str, int]] = {strength: rank for rank, strength in enumerate(STRENGTHS)}

# The order inside a row, by the name of the file that is the evidence (`*` stands for any text). A name that no row
# lists comes last. Versions are decided by the second table, everything else by the first.
PROCESS_SOURCES: Final = (
    ("render.yaml", "railway.toml", "railway.json", "fly.toml", "app.json", "nixpacks.toml", "railpack.json",
     "vercel.json", "netlify.toml", "manifest.yml"),
    ("Procfile",),
    ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml", "compose.*.yaml", "compose.*.yml",
     "docker-compose.*.yaml", "docker-compose.*.yml"),
    ("Dockerfile", "Containerfile", "Dockerfile.*", "*.Dockerfile", "*.dockerfile"),
)  # fmt: skip
VERSION_SOURCES: Final = (
    ("Dockerfile", "Containerfile", "Dockerfile.*", "*.Dockerfile", "*.dockerfile"),
    (".tool-versions", "mise.toml", ".mise.toml"),
    (".nvmrc", ".node-version", ".python-version", ".ruby-version"),
    ("runtime.txt",),
)

# Two claims of one folder that are equal in everything else: a manifest's own word before a lockfile, and of two
# lockfiles the one that is rarely left behind (npm writes package-lock.json whenever somebody forgets the project's
# tool).
LOCKFILES: Final = (
    ("package.json", "pyproject.toml", "Gemfile", "composer.json"),
    ("pnpm-lock.yaml", "uv.lock"),
    ("bun.lock", "bun.lockb", "poetry.lock"),
    ("yarn.lock", "pdm.lock"),
    ("package-lock.json", "npm-shrinkwrap.json", "Pipfile.lock"),
)
