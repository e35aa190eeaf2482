"""Debian packages that Python distributions need beyond themselves: one table, to build them and to run them.

Debian 12 and 13 names. A distribution whose wheels bring all that they need is not listed.
"""

from __future__ import annotations

from typing import Final

from autostack.plugins.analyzers.manifests.python import Dependency

_COMPILER = ("build-essential",)

# distribution -> (packages while it is installed, packages while it runs). Sources: each project's install page, as
# https://www.psycopg.org/psycopg3/docs/basic/install.html, https://github.com/PyMySQL/mysqlclient#linux,
# https://doc.courtbouillon.org/weasyprint/stable/first_steps.html
PYTHON: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "psycopg2": ((*_COMPILER, "libpq-dev"), ("libpq5",)),
    "psycopg": ((), ("libpq5",)),
    "psycopg-c": ((*_COMPILER, "libpq-dev"), ("libpq5",)),
    "mysqlclient": ((*_COMPILER, "pkg-config", "default-libmysqlclient-dev"), ("libmariadb3",)),
    "pycairo": ((*_COMPILER, "pkg-config", "libcairo2-dev"), ("libcairo2",)),
    "cairosvg": ((), ("libcairo2",)),
    "cairocffi": ((), ("libcairo2",)),
    "pdf2image": ((), ("poppler-utils",)),
    "pydub": ((), ("ffmpeg",)),
    "ffmpeg-python": ((), ("ffmpeg",)),
    "moviepy": ((), ("ffmpeg",)),
    "openai-whisper": ((), ("ffmpeg",)),
    "opencv-python": ((), ("libgl1", "libglib2.0-0")),
    "opencv-contrib-python": ((), ("libgl1", "libglib2.0-0")),
    "weasyprint": ((), ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")),
    "pytesseract": ((), ("tesseract-ocr",)),
    "ocrmypdf": ((), ("tesseract-ocr", "ghostscript")),
    "python-magic": ((), ("libmagic1",)),
    "xmlsec": ((*_COMPILER, "pkg-config", "libxml2-dev", "libxmlsec1-dev"), ("libxmlsec1-openssl",)),
    "python3-saml": ((*_COMPILER, "pkg-config", "libxml2-dev", "libxmlsec1-dev"), ("libxmlsec1-openssl",)),
    "pysaml2": ((), ("xmlsec1",)),
    "python-ldap": ((*_COMPILER, "libldap2-dev", "libsasl2-dev"), ("libldap-common",)),
    "django-auth-ldap": ((*_COMPILER, "libldap2-dev", "libsasl2-dev"), ("libldap-common",)),
    "pyodbc": ((), ("unixodbc",)),
    "mssql-django": ((), ("unixodbc",)),
    "uwsgi": (_COMPILER, ()),
    "pylibmc": ((*_COMPILER, "libmemcached-dev", "zlib1g-dev"), ("libmemcached11",)),
    "pygraphviz": ((*_COMPILER, "pkg-config", "libgraphviz-dev"), ("graphviz",)),
    "graphviz": ((), ("graphviz",)),
    "pydot": ((), ("graphviz",)),
    "pyaudio": ((*_COMPILER, "portaudio19-dev"), ("libportaudio2",)),
    "gdal": ((*_COMPILER, "libgdal-dev"), ("gdal-bin",)),
    "pdfkit": ((), ("wkhtmltopdf",)),
    "pyzbar": ((), ("libzbar0",)),
    "gssapi": ((*_COMPILER, "libkrb5-dev"), ("libgssapi-krb5-2",)),
    "pycups": ((*_COMPILER, "libcups2-dev"), ("libcups2",)),
    "selenium": ((), ("chromium", "chromium-driver")),
    "gitpython": ((), ("git",)),
}
# An extra that brings a build of its own instead.
_BUNDLED = {"psycopg": "binary"}
_COMPILED = {"psycopg": ("c", "psycopg-c")}


def packages(dependency: Dependency) -> list[tuple[str, str]]:
    """(Debian package, "build" or "run") that a dependency needs; one from a repository needs git to be fetched."""
    name = dependency.name
    found: list[tuple[str, str]] = []
    if _BUNDLED.get(name) not in dependency.extras or name not in _BUNDLED:
        extra, compiled = _COMPILED.get(name, ("", ""))
        build, run = PYTHON.get(compiled if extra and extra in dependency.extras else name, ((), ()))
        found += [(package, "build") for package in build] + [(package, "run") for package in run]
    if dependency.url and dependency.vcs:
        found.append(("git", "build"))
    return found
