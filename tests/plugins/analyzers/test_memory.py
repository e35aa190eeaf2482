"""How much memory each process is given."""

from autostack.core.model import Process, Runtime, Service
from autostack.plugins.analyzers.memory import FRAMEWORKS, TOOLCHAINS, memory_mib, service_detected


def service(**given):
    known = {"root": ".", "build_root": ".", "name": "x", "kind": "web", "runtime": Runtime("python")}
    return Service(**{**known, **given})


def process(command, kind="web", role="web"):
    return Process("p", kind, role, command)


def test_a_web_process_takes_what_its_framework_takes():
    assert memory_mib(service(framework="spring-boot"), process("java -jar x.jar")) == (640, "spring-boot")


def test_a_worker_takes_what_its_program_takes():
    django = service(framework="django")
    assert memory_mib(django, process("celery -A x worker", "worker", "worker:celery")) == (256, "celery")
    assert memory_mib(django, process("celery -A x beat", "worker", "worker:celery-beat")) == (128, "celery-beat")


def test_libraries_that_load_models_raise_it_but_not_for_migrations():
    heavy = service(framework="fastapi", libraries=["torch", "httpx"])
    assert memory_mib(heavy, process("uvicorn main:app")) == (2048, "torch")
    assert memory_mib(heavy, process("alembic upgrade head", "release", "release")) == (128, "alembic")


def test_an_unknown_program_takes_its_toolchain_s():
    assert memory_mib(service(), process("python bot.py", "worker", "worker")) == (TOOLCHAINS["python"], "python")
    assert memory_mib(service(runtime=None), process("./run", "worker", "worker")) is None


def test_each_process_is_claimed_as_a_guess():
    given = service(framework="flask", processes=[process("gunicorn app:app")])
    found = [(one.field, one.strength) for one in service_detected(service=given)]
    assert found == [("processes.p.memory_mib", "guess")]
    assert all(mib < 64 or mib % 32 == 0 for mib in FRAMEWORKS.values())
