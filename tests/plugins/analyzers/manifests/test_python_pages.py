"""A frontend that a Python backend hands out is part of the backend, however its code spells the folder."""

import json

import pytest

ANALYZERS = ("python", "flask", "fastapi", "django", "python_code", "node", "vite")
PAGE = {
    "frontend/package.json": json.dumps({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}),
    "frontend/index.html": "<script type=module src=/main.js></script>",
}


@pytest.mark.parametrize(
    ("dependency", "code"),
    [
        ("flask", 'from flask import Flask\napp = Flask(__name__, static_folder="../frontend/dist")\n'),
        (
            "fastapi",
            "from fastapi import FastAPI\napp = FastAPI()\n"
            'BASE = Path(__file__).resolve().parent.parent\nFRONTEND = BASE / "frontend"\nDIST = FRONTEND / "dist"\n'
            'app.mount("/", StaticFiles(directory=DIST, html=True))\n',
        ),
        (
            "flask",
            "import os\nfrom flask import Flask, send_file\napp = Flask(__name__)\n"
            'PAGE = os.path.join(HERE, "..", "frontend", "dist", "index.html")\n',
        ),
        (
            "fastapi",
            'from fastapi import FastAPI\napp = FastAPI()\napp.mount("/", Files(f"{ROOT}/frontend/build/assets"))\n',
        ),
    ],
)
def test_a_page_whose_build_the_backend_names_is_part_of_it(analyzed, dependency, code):
    analysis = analyzed({**PAGE, "backend/requirements.txt": dependency, "backend/app.py": code}, plugins=ANALYZERS)
    (service,) = analysis.services
    assert service.root == "backend"
    assert {toolchain.name: toolchain.root for toolchain in service.toolchains} == {
        "python": "backend", "node": "frontend",
    }  # fmt: skip


def test_a_page_that_the_backend_never_names_is_a_service(analyzed):
    code = 'from fastapi import FastAPI\napp = FastAPI()\nORIGIN = "http://localhost/frontend"\nOUT = "dist"\n'
    analysis = analyzed({**PAGE, "backend/requirements.txt": "fastapi", "backend/app.py": code}, plugins=ANALYZERS)
    assert [service.root for service in analysis.services] == ["backend", "frontend"]


def test_names_that_lead_in_circles_or_multiply_end(analyzed):
    code = "from fastapi import FastAPI\napp = FastAPI()\nA0 = A12\n"
    code += "".join(f"A{n + 1} = " + " / ".join([f"A{n}"] * 9) + "\n" for n in range(12))
    code += 'PAGE = A12 / "frontend" / A12 / "dist"\n'
    files = {**PAGE, "backend/requirements.txt": "fastapi", "backend/app.py": code}
    assert [service.root for service in analyzed(files, plugins=ANALYZERS).services] == ["backend", "frontend"]
