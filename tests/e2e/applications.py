"""Small applications as people lay them out: each is a folder of files, and what they answer in containers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

_MANAGE = """
    import os, sys
    from django.core.management import execute_from_command_line
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")
    execute_from_command_line(sys.argv)
"""
_WSGI = """
    import os
    from django.core.wsgi import get_wsgi_application
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")
    application = get_wsgi_application()
"""
_DJANGO = """
    import os
    from pathlib import Path
    BASE_DIR = Path(__file__).resolve().parent.parent
    SECRET_KEY = os.environ["SECRET_KEY"]
    ALLOWED_HOSTS = ["*"]
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.staticfiles"]
    MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware"]
    ROOT_URLCONF = "site1.urls"
    WSGI_APPLICATION = "site1.wsgi.application"
    STATIC_URL = "/static/"
    STATIC_ROOT = BASE_DIR / "collected"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""
_URLS = """
    from django.contrib.auth.models import User
    from django.shortcuts import render
    from django.urls import path
    urlpatterns = [path("", lambda request: render(request, "index.html", {"users": User.objects.count()}))]
"""
_TYPESCRIPT = """
    {"compilerOptions": {"target": "ES2022", "module": "CommonJS", "outDir": "dist", "rootDir": "src",
     "declaration": true, "strict": true, "esModuleInterop": true, "skipLibCheck": true}, "include": ["src"]}
"""


@dataclass(frozen=True)
class Application:
    """`answers`: service, path, and a text that the answer holds."""

    files: dict[str, str]
    answers: tuple[tuple[str, str, str], ...]

    def write(self, folder: Path) -> Path:
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(content).lstrip())
        return folder


APPLICATIONS = {
    "a member of a uv workspace with a factory": Application(
        {
            "pyproject.toml": """
                [project]
                name = "platform"
                version = "0.1.0"
                requires-python = ">=3.12"
                [tool.uv.workspace]
                members = ["packages/*", "services/*"]
            """,
            "packages/common/pyproject.toml": """
                [project]
                name = "common"
                version = "0.1.0"
                requires-python = ">=3.12"
                [build-system]
                requires = ["hatchling"]
                build-backend = "hatchling.build"
            """,
            "packages/common/src/common/__init__.py": "GREETING = 'from the workspace'\n",
            "services/api/pyproject.toml": """
                [project]
                name = "api"
                version = "0.1.0"
                requires-python = ">=3.12"
                dependencies = ["common", "fastapi", "uvicorn"]
                [tool.uv.sources]
                common = { workspace = true }
                [build-system]
                requires = ["hatchling"]
                build-backend = "hatchling.build"
            """,
            "services/api/src/api/__init__.py": "",
            "services/api/src/api/main.py": """
                from common import GREETING
                from fastapi import FastAPI

                def create_app() -> FastAPI:
                    app = FastAPI()
                    app.get("/")(lambda: GREETING)
                    return app
            """,
        },
        (("api", "/", "from the workspace"),),
    ),
    "Django whose style sheet Tailwind builds": Application(
        {
            "requirements.txt": "django>=5,<6\ngunicorn\nwhitenoise\n",
            "package.json": """
                {"name": "theme", "private": true, "devDependencies": {"tailwindcss": "^3.4.0"},
                 "scripts": {"build": "tailwindcss -i ./assets/site.css -o ./static/dist/site.css --minify"}}
            """,
            "tailwind.config.js": 'module.exports = { content: ["./templates/**/*.html"] };\n',
            "assets/site.css": "@tailwind utilities;\n",
            "manage.py": _MANAGE,
            "site1/__init__.py": "",
            "site1/settings.py": dedent(_DJANGO)
            + 'STATICFILES_DIRS = [BASE_DIR / "static"]\n'
            + 'TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", '
            + '"DIRS": [BASE_DIR / "templates"]}]\n',
            "site1/urls.py": _URLS,
            "site1/wsgi.py": _WSGI,
            "templates/index.html": '<h1 class="text-3xl">{{ users }} users</h1>\n',
        },
        (("app", "/", "0 users"), ("app", "/static/dist/site.css", "text-3xl")),
    ),
    "Django that hands out a page from the folder beside it": Application(
        {
            "backend/requirements.txt": "django>=5,<6\ngunicorn\nwhitenoise\n",
            "backend/manage.py": _MANAGE,
            "backend/site1/__init__.py": "",
            "backend/site1/settings.py": dedent(_DJANGO)
            + 'PAGE = BASE_DIR.parent / "frontend" / "dist"\n'
            + "STATICFILES_DIRS = [PAGE]\n"
            + 'TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [PAGE]}]\n',
            "backend/site1/urls.py": _URLS,
            "backend/site1/wsgi.py": _WSGI,
            "frontend/package.json": """
                {"name": "page", "private": true, "type": "module", "scripts": {"build": "vite build"},
                 "devDependencies": {"vite": "^5.4.0"}}
            """,
            "frontend/vite.config.js": 'export default { base: "/static/" };\n',
            "frontend/index.html": '<h1>a built page</h1><script type="module" src="/main.js"></script>\n',
            "frontend/main.js": "console.log(1);\n",
        },
        (("backend", "/", "a built page"),),
    ),
    "an API and a page in a pnpm workspace": Application(
        {
            "package.json": '{"name": "mono", "private": true, "packageManager": "pnpm@9.12.0"}\n',
            "pnpm-workspace.yaml": "packages: ['apps/*', 'packages/*']\n",
            "packages/greet/package.json": """
                {"name": "@mono/greet", "version": "1.0.0", "main": "dist/index.js", "types": "dist/index.d.ts",
                 "scripts": {"build": "tsc -p ."}, "devDependencies": {"typescript": "^5.4.0"}}
            """,
            "packages/greet/tsconfig.json": _TYPESCRIPT,
            "packages/greet/src/index.ts": "export const greet = (name: string): string => `hello ${name}`;\n",
            "apps/api/package.json": """
                {"name": "@mono/api", "private": true, "scripts": {"build": "tsc -p .", "start": "node dist/index.js"},
                 "dependencies": {"@mono/greet": "workspace:*", "express": "^4.19.2"},
                 "devDependencies": {"typescript": "^5.4.0", "@types/express": "^4.17.21", "@types/node": "^20.0.0"}}
            """,
            "apps/api/tsconfig.json": _TYPESCRIPT,
            "apps/api/src/index.ts": """
                import express from "express";
                import { greet } from "@mono/greet";
                const app = express();
                app.get("/api/greet", (_request, response) => { response.json(greet("workspace")); });
                app.listen(process.env.PORT || 3001);
            """,
            "apps/web/package.json": """
                {"name": "@mono/web", "private": true, "type": "module", "scripts": {"build": "vite build"},
                 "devDependencies": {"vite": "^5.4.0"}}
            """,
            "apps/web/vite.config.js": 'export default { server: { proxy: { "/api": "http://localhost:3001" } } };\n',
            "apps/web/index.html": '<h1>the page</h1><script type="module" src="/main.js"></script>\n',
            "apps/web/main.js": 'fetch("/api/greet");\n',
        },
        (("proxy", "/", "the page"), ("proxy", "/api/greet", "hello workspace")),
    ),
    "Next.js whose page insists on its database": Application(
        {
            "package.json": """
                {"name": "pages", "private": true, "scripts": {"build": "next build", "start": "next start"},
                 "dependencies": {"next": "14.2.15", "react": "^18", "react-dom": "^18", "pg": "^8.13.0"}}
            """,
            "app/layout.js": "export default ({ children }) => (<html><body>{children}</body></html>);\n",
            "app/page.js": """
                import { Pool } from "pg";
                if (!process.env.DATABASE_URL) throw new Error("DATABASE_URL is missing");
                const pool = new Pool({ connectionString: process.env.DATABASE_URL });
                export const dynamic = "force-dynamic";
                export default async function Page() {
                  const { rows } = await pool.query("select 'from the database' as text");
                  return <main>{rows[0].text}</main>;
                }
            """,
        },
        (("pages", "/", "from the database"),),
    ),
    "a driver that is compiled, and MySQL": Application(
        {
            "requirements.txt": "flask\ngunicorn\nmysqlclient\nSQLAlchemy\n",
            "app.py": """
                import os
                from flask import Flask
                from sqlalchemy import create_engine, text

                app = Flask(__name__)
                engine = create_engine(os.environ["DATABASE_URL"])

                @app.get("/")
                def index():
                    with engine.connect() as connection:
                        return connection.execute(text("select concat('My', 'SQL')")).scalar()
            """,
        },
        (("app", "/", "MySQL"),),
    ),
}
