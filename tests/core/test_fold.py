"""The rules of the fold, in the words of the applications that they are about."""

from autostack.core import Build, Claim, EnvValue, Evidence, Finding, NeedValue, Port, ResourceEnv, VersionValue
from autostack.core.fold import accept_detected, fold


def claim(root, field, value, strength="manifest", path=None, line=None, plugin="plugin"):
    """A claim with one place as evidence: a file of its root, unless told otherwise."""
    where = path or (f"{root}/file" if root != "." else "file")
    return Claim(root, field, value, strength, [Evidence(where, line, "because")], plugin)


def service(analysis, root):
    return next(service for service in analysis.services if service.root == root)


def process(analysis, name, root="."):
    return next(process for process in service(analysis, root).processes if process.name == name)


def names(analysis, root="."):
    return [process.name for process in service(analysis, root).processes]


def conflicts(analysis):
    return [(conflict.root, conflict.field) for conflict in analysis.conflicts]


def web(root=".", command="gunicorn app:app", port=8000, plugin="flask"):
    """What a framework's analyzer says of a root."""
    return [
        claim(root, "processes.web.kind", "web", "convention", plugin=plugin),
        claim(root, "processes.web.command", command, "convention", plugin=plugin),
        claim(root, "port", port, "convention", plugin=plugin),
    ]


# ---------------------------------------------------------------------------------------------- strengths and conflicts


def test_a_stronger_claim_wins_and_the_loser_stays_as_an_alternative():
    analysis = fold([*web(), claim(".", "port", 9000, "declared", "Procfile", 3, plugin="procfile")])
    assert service(analysis, ".").port == 9000
    why = analysis.why[".#port"]
    assert (why.value, why.strength, why.plugin) == (9000, "declared", "procfile")
    assert [(other.value, other.strength, other.plugin) for other in why.alternatives] == [
        (8000, "convention", "flask")
    ]
    assert conflicts(analysis) == []


def test_the_same_value_from_another_plugin_is_further_evidence_not_an_alternative():
    analysis = fold([*web(), claim(".", "port", 8000, "declared", "Dockerfile", 7)])
    why = analysis.why[".#port"]
    assert [place.path for place in why.evidence] == ["Dockerfile", "file"]
    assert why.alternatives == []


def test_two_lockfiles_are_reported_as_a_conflict():
    analysis = fold(
        [
            *web(command="node server.js"),
            claim(".", "node.package_manager", "npm", path="package-lock.json", plugin="node"),
            claim(".", "node.package_manager", "pnpm", path="pnpm-lock.yaml", plugin="node"),
        ]
    )
    assert service(analysis, ".").package_manager == "pnpm"
    assert conflicts(analysis) == [(".", "node.package_manager")]
    assert "package-lock.json" in analysis.conflicts[0].reason


def test_a_manifest_names_its_package_manager_more_surely_than_a_lockfile():
    analysis = fold(
        [
            *web(command="node server.js"),
            claim(".", "node.package_manager", "yarn", path="package.json"),
            claim(".", "node.package_manager", "pnpm", path="pnpm-lock.yaml"),
        ]
    )
    assert service(analysis, ".").package_manager == "yarn"


def test_declared_sources_go_in_order_platform_manifest_procfile_compose_dockerfile():
    by_path = {"render.yaml": 1, "Procfile": 2, "compose.yaml": 3, "docker-compose.prod.yml": 3, "Dockerfile": 4}
    for stronger in by_path:
        for weaker in by_path:
            if by_path[stronger] < by_path[weaker]:
                analysis = fold(
                    [
                        claim(".", "processes.web.command", f"gunicorn {stronger}", "declared", stronger),
                        claim(".", "processes.web.command", f"gunicorn {weaker}", "declared", weaker),
                    ]
                )
                assert service(analysis, ".").start_command == f"gunicorn {stronger}"
                assert conflicts(analysis) == [(".", "processes.web.command")]


def test_the_users_word_beats_everything():
    analysis = fold(
        [
            *web(),
            claim(".", "start_command", "python serve.py", "override", "autostack.yaml"),
            claim(".", "processes.web.command", "gunicorn x", "declared", "Procfile"),
        ]
    )
    assert service(analysis, ".").start_command == "python serve.py"
    assert process(analysis, "web").command == "python serve.py"
    assert conflicts(analysis) == []


def test_commands_that_differ_in_white_space_only_are_the_same():
    analysis = fold(
        [
            claim(".", "processes.web.command", "gunicorn  app:app\n", "declared", "Procfile"),
            claim(".", "processes.web.command", "gunicorn app:app", "declared", "Dockerfile"),
        ]
    )
    assert conflicts(analysis) == []


def test_two_declared_ports_that_differ_are_a_conflict():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.web.ports", [Port(8000, "http", True)], "declared", "compose.yaml"),
            claim(".", "processes.web.ports", [Port(9000)], "declared", "Dockerfile"),
        ]
    )
    assert service(analysis, ".").port == 8000
    assert (".", "port") in conflicts(analysis)


def test_a_port_in_the_command_is_what_the_server_listens_on():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.web.command", "gunicorn app:app -b 0.0.0.0:9000", "declared", "Dockerfile", 9),
            claim(".", "processes.web.ports", [Port(8000)], "declared", "Dockerfile", 2),
        ]
    )
    assert service(analysis, ".").port == 9000
    assert [port.port for port in process(analysis, "web").ports] == [9000]


# ---------------------------------------------------------------------------------------------- versions


def python(version, strength, path, admits=None, requested=None, root="."):
    value = VersionValue(requested or version, version, admits)
    return claim(root, "python.version", value, strength, path)


def test_a_dockerfile_says_the_version_before_a_version_file_and_that_before_a_range():
    found = [
        *web(),
        python("3.13", "manifest", "pyproject.toml", ["3.11", "3.12", "3.13"], ">=3.11"),
        python("3.12", "declared", ".python-version"),
        python("3.11", "declared", "Dockerfile"),
    ]
    analysis = fold(found)
    assert service(analysis, ".").runtime.version == "3.11"
    assert service(analysis, ".").runtime.source == "Dockerfile"
    assert conflicts(analysis) == [(".", "python.version")]
    assert service(fold(found[:-1]), ".").runtime.version == "3.12"
    assert fold(found[:-1]).conflicts == []


def test_an_exact_version_outside_a_claimed_range_is_a_conflict_although_it_is_stronger():
    ranged = python("3.13", "manifest", "pyproject.toml", ["3.12", "3.13"], ">=3.12")
    assert conflicts(fold([*web(), ranged, python("3.9.18", "declared", "runtime.txt")])) == [(".", "python.version")]
    assert conflicts(fold([*web(), ranged, python("3.12.4", "declared", "runtime.txt")])) == []


def test_a_major_version_is_admitted_where_the_table_lists_majors():
    engines = claim(".", "node.version", VersionValue(">=20", "24", ["20", "22", "24"]), path="package.json")
    exact = claim(".", "node.version", VersionValue("22.1.0", "22.1.0"), "declared", ".nvmrc")
    analysis = fold([*web(command="node server.js"), engines, exact])
    assert conflicts(analysis) == []
    assert service(analysis, ".").runtime.requested == "22.1.0"


def test_two_ranges_that_agree_on_a_version_are_no_conflict():
    one = python("3.13", "manifest", "pyproject.toml", ["3.11", "3.12", "3.13"], ">=3.11")
    other = python("3.12", "manifest", "Pipfile", ["3.12"], "3.12")
    assert conflicts(fold([*web(), one, python("3.13", "manifest", "uv.lock", ["3.13"], ">=3.13")])) == []
    assert conflicts(fold([*web(), one, other])) == [(".", "python.version")]


def test_a_version_file_speaks_for_the_folders_below_that_use_the_toolchain():
    analysis = fold(
        [
            *web("frontend", "node server.js"),
            claim("frontend", "language", "typescript"),
            *web("backend"),
            claim("backend", "language", "python"),
            claim(".", "node.version", "22", "declared", ".nvmrc"),
        ]
    )
    assert service(analysis, "frontend").runtime.version == "22"
    assert service(analysis, "backend").runtime.name == "python"
    assert [toolchain.name for toolchain in service(analysis, "backend").toolchains] == ["python"]


# ---------------------------------------------------------------------------------------------- toolchains


def test_a_workspace_member_takes_the_workspaces_package_manager_and_builds_there():
    analysis = fold(
        [
            claim(".", "node.package_manager", "pnpm", path="pnpm-lock.yaml"),
            claim("apps/web", "language", "typescript"),
            claim("apps/web", "node.root", ".", path="pnpm-lock.yaml"),
            *web("apps/web", "pnpm run start"),
        ]
    )
    found = service(analysis, "apps/web")
    assert (found.package_manager, found.build_root, found.toolchains[0].root) == ("pnpm", ".", ".")


def test_a_folder_with_its_own_lockfile_is_not_spoken_for_by_the_workspace_above():
    analysis = fold(
        [
            claim(".", "node.package_manager", "pnpm", "declared", "package.json"),
            claim("api", "language", "javascript"),
            claim("api", "node.package_manager", "npm", path="api/package-lock.json"),
            *web("api", "node server.js"),
        ]
    )
    assert service(analysis, "api").package_manager == "npm"
    assert conflicts(analysis) == []


def test_django_with_tailwind_has_two_toolchains_and_is_python():
    analysis = fold(
        [
            *web(command="gunicorn shop.wsgi", plugin="django"),
            claim(".", "framework", "django", path="pyproject.toml", plugin="django"),
            claim(".", "framework", "vite", path="package.json", plugin="vite"),
            claim(".", "language", "python", path="pyproject.toml", plugin="python"),
            claim(".", "language", "javascript", path="package.json", plugin="node"),
            claim(".", "python.package_manager", "uv", path="uv.lock", plugin="python"),
            claim(".", "python.install_command", "uv sync", "convention", plugin="python"),
            claim(".", "node.package_manager", "npm", path="package-lock.json", plugin="node"),
            claim(".", "node.build_command", "npm run build", "convention", plugin="node"),
        ]
    )
    found = service(analysis, ".")
    assert (found.language, found.framework, found.package_manager) == ("python", "django", "uv")
    assert found.install_command == "uv sync"
    assert found.build_command is None
    assert [(t.name, t.package_manager) for t in found.toolchains] == [("python", "uv"), ("node", "npm")]
    assert found.libraries == ["vite"]
    assert conflicts(analysis) == []


def test_the_first_fold_knows_the_framework_before_anybody_knows_a_command():
    analysis = fold(
        [
            claim(".", "processes.web.kind", "web", "convention", path="manage.py", plugin="django"),
            claim(".", "framework", "django", path="pyproject.toml", plugin="django"),
            claim(".", "framework", "vite", path="package.json", plugin="vite"),
            claim(".", "language", "python", path="pyproject.toml", plugin="python"),
            claim(".", "language", "javascript", path="package.json", plugin="node"),
            claim(".", "static_dir", "dist", "convention", path="vite.config.js", plugin="vite"),
        ]
    )
    found = service(analysis, ".")
    assert (found.kind, found.language, found.framework) == ("web", "python", "django")


def test_the_services_own_fields_compete_with_those_of_its_main_toolchain():
    analysis = fold(
        [
            *web(),
            claim(".", "language", "python"),
            claim(".", "python.install_command", "pip install -r requirements.txt", "convention"),
            claim(".", "install_command", "make install", "declared", "render.yaml"),
        ]
    )
    assert service(analysis, ".").install_command == "make install"
    assert service(analysis, ".").toolchains[0].install_command == "make install"
    assert analysis.why[".#install_command"].alternatives[0].value == "pip install -r requirements.txt"


def test_a_list_of_installed_tools_is_no_use_of_them():
    analysis = fold(
        [
            *web(),
            claim(".", "language", "python"),
            claim(".", "python.version", "3.12", "declared", ".tool-versions"),
            claim(".", "node.version", "22", "declared", ".tool-versions"),
        ]
    )
    assert [toolchain.name for toolchain in service(analysis, ".").toolchains] == ["python"]


def test_a_build_root_that_is_claimed_is_where_one_builds():
    analysis = fold([*web("api"), claim("api", "build_root", ".", "declared", "render.yaml")])
    assert service(analysis, "api").build_root == "."


# ---------------------------------------------------------------------------------------------- what is a service


def test_a_manifest_without_anything_to_run_is_a_library():
    analysis = fold(
        [*web("api"), claim("packages/ui", "language", "typescript"), claim("packages/ui", "name", "@shop/ui")]
    )
    assert [service.root for service in analysis.services] == ["api"]
    assert [(library.root, library.name) for library in analysis.libraries] == [("packages/ui", "@shop/ui")]


def test_a_guess_alone_makes_no_service():
    assert fold([claim(".", "processes.web.command", "npm run dev", "guess")]).services == []


def test_a_migration_alone_makes_no_service():
    analysis = fold(
        [
            claim("packages/db", "processes.release.command", "npx prisma migrate deploy", "convention"),
            claim("packages/db", "language", "typescript"),
        ]
    )
    assert analysis.services == []
    assert [library.root for library in analysis.libraries] == ["packages/db"]


def test_a_dockerfile_alone_makes_a_service():
    analysis = fold(
        [
            claim(".", "build", Build(".", "Dockerfile"), "declared", "Dockerfile"),
            claim(".", "port", 80, "declared", "Dockerfile"),
        ]
    )
    assert service(analysis, ".").kind == "web"
    assert service(analysis, ".").build == Build(".", "Dockerfile")
    assert analysis.why[".#service"].evidence[0].path == "Dockerfile"


def test_a_library_stays_one_whatever_it_looks_like_unless_the_user_objects():
    library = claim("cli", "library", True, path="cli/setup.py")
    assert fold([*web("cli"), library]).services == []
    assert fold([*web("cli"), library]).why["cli#library"].value is True
    override = claim("cli", "processes.web.command", "gunicorn x", "override", "autostack.yaml")
    assert [s.root for s in fold([*web("cli"), library, override]).services] == ["cli"]


def test_a_frontend_that_the_backend_serves_is_part_of_it():
    analysis = fold(
        [
            *web("backend"),
            claim("backend", "language", "python"),
            claim("frontend", "static_dir", "dist", "convention", plugin="vite"),
            claim("frontend", "language", "typescript"),
            claim("frontend", "node.output_dir", "dist", "convention"),
            claim("frontend", "env.VITE_API", EnvValue(public=True, phase="build"), "convention"),
            claim("frontend", "part_of", "backend", "convention", "backend/settings.py"),
        ]
    )
    assert [service.root for service in analysis.services] == ["backend"]
    found = service(analysis, "backend")
    assert [(t.name, t.root, t.output_dir) for t in found.toolchains] == [
        ("python", "backend", None),
        ("node", "frontend", "dist"),
    ]
    assert [env.name for env in found.env] == ["VITE_API"]
    assert analysis.libraries == []
    assert analysis.why["frontend#part_of"].value == "backend"


def test_parts_of_each_other_or_of_nothing_stay_services():
    circle = [claim("a", "part_of", "b", "convention"), claim("b", "part_of", "a", "convention")]
    assert [s.root for s in fold([*web("a"), *web("b"), *circle]).services] == ["a", "b"]
    assert [s.root for s in fold([*web("a"), claim("a", "part_of", "gone", "convention")]).services] == ["a"]


def test_examples_and_tests_are_services_only_where_nothing_else_is():
    assert [s.root for s in fold([*web("."), *web("examples/one"), *web("tests/e2e/app")]).services] == ["."]
    assert [s.root for s in fold([*web("examples/one"), *web("examples/two")]).services] == [
        "examples/one",
        "examples/two",
    ]
    named = claim("examples/one", "processes.web.command", "gunicorn x", "override", "autostack.yaml")
    assert [s.root for s in fold([*web("."), *web("examples/one"), named]).services] == [".", "examples/one"]


def test_a_dashboard_is_no_process_and_says_so():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.flower.command", "celery -A shop flower", "declared", "compose.yaml"),
            claim(".", "processes.worker.command", "celery -A shop worker", "declared", "compose.yaml"),
        ]
    )
    assert names(analysis) == ["web", "worker"]
    assert analysis.why[".#processes.flower.auxiliary"].value == "dashboard of Celery"


def test_a_proxy_in_its_own_folder_is_no_service():
    analysis = fold(
        [
            *web("api"),
            claim("nginx", "build", Build("nginx", "nginx/Dockerfile"), "declared", "nginx/Dockerfile"),
            claim("nginx", "auxiliary", "proxy", "declared", "compose.yaml"),
        ]
    )
    assert [service.root for service in analysis.services] == ["api"]
    assert analysis.why["nginx#auxiliary"].value == "proxy"


def test_a_service_is_no_tool_because_a_tool_is_named_at_its_root():
    analysis = fold(
        [
            *web(),
            claim(".", "language", "python"),
            claim(".", "auxiliary", "adminer", "declared", "compose.yaml"),
            claim(".", "auxiliary", "mailhog", "declared", "compose.yaml"),
        ]
    )
    assert names(analysis) == ["web"]
    assert conflicts(analysis) == []


# ---------------------------------------------------------------------------------------------- processes


def test_a_declared_process_absorbs_the_conventional_one_of_its_role():
    analysis = fold(
        [
            *web(),
            claim(".", "health_path", "/healthz", "convention"),
            claim(".", "processes.api.command", "uvicorn app:app", "declared", "compose.yaml"),
            claim(".", "processes.worker.command", "celery -A app worker", "convention"),
            claim(".", "processes.release.command", "alembic upgrade head", "convention"),
        ]
    )
    assert names(analysis) == ["api", "worker", "release"]
    found = service(analysis, ".")
    assert (found.start_command, found.health_path) == ("uvicorn app:app", "/healthz")
    assert found.release_command == "alembic upgrade head"
    assert [a.value for a in analysis.why[".#start_command"].alternatives] == ["gunicorn app:app"]


def test_a_declared_worker_does_not_absorb_one_of_another_program():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.jobs.command", "rq worker", "declared", "Procfile"),
            claim(".", "processes.worker.command", "celery -A app worker", "convention"),
        ]
    )
    assert names(analysis) == ["web", "jobs", "worker"]
    assert [p.role for p in service(analysis, ".").processes] == ["web", "worker:rq", "worker:celery"]


def test_one_name_for_two_programs_is_two_processes():
    analysis = fold(
        [
            claim(".", "processes.worker.command", "python bot.py", "declared", "Procfile", plugin="procfile"),
            claim(".", "processes.worker.command", "celery -A app worker", "convention", plugin="celery"),
        ]
    )
    assert {p.role for p in service(analysis, ".").processes} == {"worker", "worker:celery"}


def test_a_script_that_may_be_celery_is_taken_for_it():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.jobs.command", "make worker", "declared", "Procfile"),
            claim(".", "processes.worker.command", "celery -A app worker", "convention", plugin="celery"),
        ]
    )
    assert names(analysis) == ["web", "jobs"]
    assert process(analysis, "jobs").command == "make worker"


def test_a_declared_process_without_command_runs_the_frameworks():
    analysis = fold([*web(), claim(".", "processes.api.ports", [Port(8000, "http", True)], "declared", "compose.yaml")])
    assert names(analysis) == ["api"]
    assert process(analysis, "api").command == "gunicorn app:app"


def test_a_development_command_gives_way_to_the_frameworks_production_command():
    analysis = fold([*web(), claim(".", "processes.api.command", "flask run --debug", "declared", "compose.yaml")])
    assert names(analysis) == ["api"]
    assert process(analysis, "api").command == "gunicorn app:app"
    assert analysis.why[".#processes.api.command"].alternatives[0].value == "flask run --debug"
    assert conflicts(analysis) == []


def test_of_two_processes_without_command_the_one_on_the_frameworks_port_is_the_frameworks():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.api.ports", [Port(8000, "http", True)], "declared", "compose.yaml"),
            claim(".", "processes.other.ports", [Port(7000, "http", True)], "declared", "compose.yaml"),
        ]
    )
    assert process(analysis, "api").command == "gunicorn app:app"
    assert process(analysis, "other").command is None


def test_a_compose_service_without_command_runs_what_its_dockerfile_says():
    analysis = fold(
        [
            claim(".", "processes.web.command", "gunicorn app:app", "declared", "Dockerfile"),
            claim(".", "processes.web.ports", [Port(8000)], "declared", "Dockerfile"),
            claim(".", "processes.api.ports", [Port(8000, "http", True)], "declared", "compose.yaml"),
            claim(".", "processes.jobs.command", "celery -A app worker", "declared", "compose.yaml"),
        ]
    )
    assert names(analysis) == ["api", "jobs"]
    assert process(analysis, "api").command == "gunicorn app:app"


def test_a_procfile_and_a_compose_file_describe_the_same_web_process():
    analysis = fold(
        [
            claim(".", "processes.web.command", "gunicorn app:app", "declared", "Procfile"),
            claim(".", "processes.api.command", "gunicorn app:app -w 1", "declared", "compose.yaml"),
        ]
    )
    assert names(analysis) == ["web"]


def test_two_web_processes_of_one_file_stay_two():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.admin.command", "gunicorn admin:app", "declared", "compose.yaml"),
            claim(".", "processes.admin.ports", [Port(8001, "http", True)], "declared", "compose.yaml"),
            claim(".", "processes.shop.command", "gunicorn shop:app", "declared", "compose.yaml"),
            claim(".", "processes.shop.ports", [Port(8000, "http", True)], "declared", "compose.yaml"),
        ]
    )
    assert names(analysis) == ["shop", "admin"]
    assert service(analysis, ".").start_command == "gunicorn shop:app"


def test_a_development_compose_file_adds_a_worker_but_no_second_web_process():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.app.command", "flask run --reload", "guess", "docker-compose.dev.yml"),
            claim(".", "processes.jobs.command", "celery -A app worker", "guess", "docker-compose.dev.yml"),
        ]
    )
    assert names(analysis) == ["web", "jobs"]


def test_only_a_development_command_is_kept_and_pointed_out():
    analysis = fold([claim(".", "processes.web.command", "npm run dev", "declared", "Dockerfile", 8)])
    assert service(analysis, ".").start_command == "npm run dev"
    assert [(f.rule, f.path, f.line) for f in analysis.findings] == [("development-command", "Dockerfile", 8)]


def test_a_vite_site_with_a_development_server_in_compose_is_static():
    analysis = fold(
        [
            claim("web", "static_dir", "dist", "convention", plugin="vite"),
            claim("web", "framework", "vite", plugin="vite"),
            claim("web", "processes.web.command", "npm run dev", "declared", "compose.yaml"),
            claim("web", "processes.web.ports", [Port(5173, "http", True)], "declared", "compose.yaml"),
        ]
    )
    found = service(analysis, "web")
    assert (found.kind, found.processes, found.start_command, found.static_dir) == ("static", [], None, "dist")


def test_a_static_site_in_an_nginx_image_is_static_and_keeps_its_dockerfile_and_server():
    image = Build("web", "web/Dockerfile")
    analysis = fold(
        [
            claim("web", "static_dir", "dist", "convention"),
            claim("web", "build", image, "declared", "web/Dockerfile"),
            claim("web", "processes.web.command", "npm run dev", "guess", "compose.yaml"),
            claim("web", "processes.web.ports", [Port(5173, "http", True)], "guess", "compose.yaml", 9),
            claim("web", "port", 5173, "guess", "compose.yaml", 9),
            claim("web", "processes.front.command", "nginx -g 'daemon off;'", "declared", "web/Dockerfile"),
            claim("web", "processes.front.ports", [Port(80)], "declared", "web/Dockerfile"),
        ]
    )
    found = service(analysis, "web")
    assert (found.kind, found.build, found.port) == ("static", image, 80)
    assert [(p.name, p.kind, p.command) for p in found.processes] == [("front", "web", "nginx -g 'daemon off;'")]


def test_a_static_site_whose_image_is_known_but_not_its_command_has_a_process_all_the_same():
    analysis = fold(
        [
            claim("web", "static_dir", "dist", "convention"),
            claim("web", "build", Build("web", "web/Dockerfile"), "declared", "web/Dockerfile"),
        ]
    )
    assert [(p.kind, p.command, p.public) for p in service(analysis, "web").processes] == [("web", None, True)]


def test_a_dockerfile_for_development_builds_no_image():
    image = Build("web", "web/Dockerfile")
    analysis = fold(
        [
            claim("web", "static_dir", "dist", "convention"),
            claim("web", "build", image, "guess", "web/Dockerfile"),
            claim("web", "build", image, "declared", "compose.yaml"),
        ]
    )
    assert (service(analysis, "web").build, service(analysis, "web").processes) == (None, [])


def test_a_static_site_without_a_server_listens_nowhere():
    site = [claim("web", "static_dir", "dist", "convention"), claim("web", "port", 5173, "convention")]
    assert service(fold(site), "web").port is None


def test_an_express_server_with_a_public_folder_is_web():
    analysis = fold([*web(command="node server.js"), claim(".", "static_dir", "public", "convention")])
    assert service(analysis, ".").kind == "web"
    assert service(analysis, ".").static_dir == "public"


def test_the_main_process_is_the_frameworks_else_the_lowest_published_port_else_by_name():
    other = claim(".", "processes.aaa.command", "uvicorn other:app", "declared", "Procfile")
    proper = claim(".", "processes.web.command", "gunicorn app:app", "declared", "Procfile")
    assert service(fold([*web(), other, proper]), ".").start_command == "gunicorn app:app"
    published = claim(".", "processes.zzz.ports", [Port(80, "http", True)], "declared", "compose.yaml")
    command = claim(".", "processes.zzz.command", "uvicorn z:app", "declared", "compose.yaml")
    second = claim(".", "processes.yyy.command", "uvicorn y:app", "declared", "compose.yaml")
    assert service(fold([published, command, second]), ".").start_command == "uvicorn z:app"
    assert service(fold([command, second]), ".").start_command == "uvicorn y:app"


def test_a_worker_is_the_main_process_where_there_is_no_web_one():
    analysis = fold(
        [
            claim(".", "processes.worker.command", "python bot.py", "declared", "Procfile"),
            claim(".", "processes.release.command", "alembic upgrade head", "declared", "Procfile"),
        ]
    )
    found = service(analysis, ".")
    assert (found.kind, found.start_command) == ("worker", "python bot.py")


def test_release_processes_are_joined_and_the_users_command_takes_their_place():
    steps = [
        claim(".", "processes.release.command", "alembic upgrade head", "convention"),
        claim(".", "processes.seed.command", "python seed.py", "convention"),
        claim(".", "processes.seed.kind", "release", "convention"),
    ]
    assert service(fold([*web(), *steps]), ".").release_command == "alembic upgrade head && python seed.py"
    mine = claim(".", "release_command", "make migrate", "override", "autostack.yaml")
    analysis = fold([*web(), *steps, mine])
    assert service(analysis, ".").release_command == "make migrate"
    assert [p.command for p in service(analysis, ".").processes if p.kind == "release"] == ["make migrate"]


def test_schedulers_and_services_with_a_sqlite_file_are_never_two():
    beat = claim(".", "processes.beat.command", "celery -A app beat", "convention")
    analysis = fold([*web(), beat])
    assert (process(analysis, "beat").singleton, process(analysis, "web").singleton) == (True, False)
    assert process(fold([*web(), claim(".", "needs.sqlite", True)]), "web").singleton is True


def test_a_cron_process_keeps_its_schedule_and_is_not_public():
    analysis = fold(
        [
            *web(),
            claim(".", "processes.nightly.command", "python report.py", "declared", "render.yaml"),
            claim(".", "processes.nightly.schedule", "0 3 * * *", "declared", "render.yaml"),
        ]
    )
    assert (process(analysis, "nightly").kind, process(analysis, "nightly").schedule) == ("cron", "0 3 * * *")
    assert process(analysis, "nightly").public is False


def test_memory_is_taken_over():
    analysis = fold([*web(), claim(".", "processes.web.memory_mib", 300, "guess")])
    assert process(analysis, "web").memory_mib == 300


def test_memory_for_a_process_that_there_is_not_makes_none():
    analysis = fold([*web(), claim(".", "processes.gone.memory_mib", 300, "guess")])
    assert names(analysis) == ["web"]


def test_memory_finds_the_process_by_the_name_that_the_first_fold_gave_it():
    first = [
        *web(),
        claim(".", "processes.worker.command", "rq worker", "declared", "Procfile", plugin="procfile"),
        claim(".", "processes.worker.command", "celery -A app worker", "convention", plugin="celery"),
        claim(".", "processes.big job.command", "python job.py", "declared", "Procfile", plugin="procfile"),
    ]
    found = names(fold(first))
    assert found == ["web", "big-job", "worker", "worker-celery"]
    sizes = [claim(".", f"processes.{name}.memory_mib", 100 + at, "guess") for at, name in enumerate(found)]
    analysis = fold([*first, *sizes])
    assert [(p.name, p.memory_mib) for p in service(analysis, ".").processes] == [
        ("web", 100), ("big-job", 101), ("worker", 102), ("worker-celery", 103),
    ]  # fmt: skip


def test_the_main_web_process_is_public_unless_a_file_publishes_others():
    assert process(fold(web()), "web").public is True
    assert [port.public for port in process(fold(web()), "web").ports] == [True]
    analysis = fold(
        [
            *web("api", port=8000),
            claim("api", "processes.api.command", "gunicorn app:app", "declared", "compose.yaml"),
            claim("front", "processes.front.command", "node server.js", "declared", "compose.yaml"),
            claim("front", "processes.front.ports", [Port(3000, "http", True)], "declared", "compose.yaml"),
            *web("unmentioned"),
        ]
    )
    assert process(analysis, "api", "api").public is False
    assert process(analysis, "front", "front").public is True
    assert process(analysis, "web", "unmentioned").public is True


# ---------------------------------------------------------------------------------------------- resources


def named(name, kind, *users, version=None, env=(), strength="declared"):
    found = [claim(".", f"resources.{name}.kind", kind, strength, "compose.yaml")]
    found += [claim(".", f"resources.{name}.used_by", list(users), strength, "compose.yaml")] if users else []
    found += [claim(".", f"resources.{name}.version", version, strength, "compose.yaml")] if version else []
    found += [claim(".", f"resources.{name}.env", list(env), strength, "compose.yaml")] if env else []
    return found


def test_a_need_is_bound_to_the_resource_that_the_compose_file_links():
    url = ResourceEnv("DATABASE_URL", "url")
    analysis = fold(
        [
            *web("api"),
            *named("db", "postgres", "api", version="16"),
            *named("legacy", "postgres"),
            claim("api", "needs.postgres", NeedValue(env=(url,)), path="api/requirements.txt"),
        ]
    )
    db, legacy = analysis.resources
    assert (db.name, db.version, db.used_by, db.env, db.required) == ("db", "16", ["api"], [url], True)
    assert (legacy.name, legacy.used_by) == ("legacy", [])
    assert service(analysis, "api").needs == ["db"]
    assert analysis.why["api#needs.postgres"].value == "db"
    assert conflicts(analysis) == []


def test_a_need_takes_the_only_resource_of_its_kind_else_makes_one():
    need = claim(".", "needs.postgres", True)
    assert [r.name for r in fold([*web(), need, *named("db", "postgres")]).resources] == ["db"]
    analysis = fold([*web(), need, *named("cache", "redis")])
    assert [(r.name, r.used_by) for r in analysis.resources] == [("cache", []), ("postgres", ["."])]


def test_two_postgres_stay_two_and_an_unclear_need_is_a_conflict():
    analysis = fold([*web(), *named("one", "postgres"), *named("two", "postgres"), claim(".", "needs.postgres", True)])
    assert [(r.name, r.used_by) for r in analysis.resources] == [("one", ["."]), ("two", [])]
    assert conflicts(analysis) == [(".", "needs.postgres")]


def test_the_variable_tells_which_of_two_is_meant():
    mine = ResourceEnv("REPORTS_URL", "url")
    analysis = fold(
        [
            *web(),
            *named("one", "postgres", "."),
            *named("two", "postgres", ".", env=[mine]),
            claim(".", "needs.postgres", NeedValue(env=(mine,))),
        ]
    )
    assert analysis.why[".#needs.postgres"].value == "two"
    assert conflicts(analysis) == []
    assert service(analysis, ".").needs == ["one", "two"]


def test_services_share_a_database_that_no_file_names_but_not_a_sqlite_file():
    analysis = fold(
        [
            *web("a"),
            *web("b"),
            *[claim(root, f"needs.{kind}", True) for root in ("a", "b") for kind in ("postgres", "redis")],
        ]
    )
    assert [(r.name, r.used_by) for r in analysis.resources] == [("postgres", ["a", "b"]), ("redis", ["a", "b"])]
    files = fold([*web("a"), *web("b"), claim("a", "needs.sqlite", True), claim("b", "needs.sqlite", True)]).resources
    assert [(r.name, r.used_by) for r in files] == [("sqlite", ["a"]), ("sqlite-2", ["b"])]


def test_drivers_of_one_family_are_alternatives():
    drivers = [claim(".", f"needs.{kind}", True, path="requirements.txt") for kind in ("sqlite", "mysql", "postgres")]
    analysis = fold([*web(), *drivers])
    assert [r.kind for r in analysis.resources] == ["postgres"]
    assert [other.value for other in analysis.why[".#needs.postgres"].alternatives] == ["mysql", "sqlite"]


def test_of_one_family_the_users_word_then_a_setting_then_the_compose_file_decides():
    drivers = [claim(".", f"needs.{kind}", True, path="requirements.txt") for kind in ("sqlite", "mysql", "postgres")]
    linked = named("db", "mysql", ".")
    assert [r.kind for r in fold([*web(), *drivers, *linked]).resources] == ["mysql"]
    setting = claim(".", "needs.sqlite", True, "declared", "settings.py")
    assert "sqlite" in [r.kind for r in fold([*web(), *drivers, *named("db", "mysql"), setting]).resources if r.used_by]
    override = claim(".", "needs.postgres", True, "override", "autostack.yaml")
    used = [r.kind for r in fold([*web(), *drivers, *named("db", "mysql"), setting, override]).resources if r.used_by]
    assert used == ["postgres"]


def test_a_bucket_and_a_mail_server_are_no_alternatives_of_each_other():
    analysis = fold([*web(), *[claim(".", f"needs.{kind}", True) for kind in ("s3", "smtp", "postgres", "redis")]])
    assert service(analysis, ".").needs == ["postgres", "redis", "s3", "smtp"]


def test_a_resource_is_optional_when_the_code_runs_without_it():
    optional = NeedValue(required=False)
    assert fold([*web(), claim(".", "needs.redis", optional, "convention")]).resources[0].required is False
    both = [claim(".", "needs.redis", optional, "convention"), claim(".", "needs.redis", True)]
    assert fold([*web(), *both]).resources[0].required is True
    user = claim(".", "needs.redis", optional, "override", "autostack.yaml")
    assert fold([*web(), *both, user]).resources[0].required is False


def test_an_auxiliary_resource_and_a_version_alone_are_no_resources():
    analysis = fold(
        [
            *web(),
            *named("mail", "smtp"),
            claim(".", "auxiliary.mail", "mailpit", "declared", "compose.yaml"),
            claim(".", "resources.db.version", "15", "guess", "docker-compose.test.yml"),
        ]
    )
    assert analysis.resources == []


def test_a_library_that_a_service_uses_lends_it_its_needs():
    analysis = fold(
        [
            *web("apps/api"),
            claim("packages/db", "language", "typescript"),
            claim("packages/db", "needs.postgres", True, path="packages/db/schema.prisma"),
            claim("packages/db", "env.DATABASE_URL", EnvValue(required=True, secret=True)),
            claim("apps/api", "uses", ["packages/db"]),
        ]
    )
    assert service(analysis, "apps/api").needs == ["postgres"]
    assert [env.name for env in service(analysis, "apps/api").env] == ["DATABASE_URL"]


# ---------------------------------------------------------------------------------------------- variables and lists


def test_claims_of_one_variable_are_merged():
    analysis = fold(
        [
            *web(),
            claim(".", "env.NAME", EnvValue(required=True, phase="build"), "convention", "app.py", 3),
            claim(".", "env.NAME", EnvValue(default="shop"), "convention", ".env.example", 1),
        ]
    )
    (env,) = service(analysis, ".").env
    assert (env.required, env.default, env.phase) == (True, "shop", "both")
    assert env.read_at == [(".env.example", 1), ("app.py", 3)]


def test_a_secrets_default_is_gone_everywhere():
    analysis = fold(
        [
            *web(),
            claim(".", "env.TOKEN", EnvValue(secret=True), "convention", "app.py"),
            claim(".", "env.TOKEN", EnvValue(default="hunter2"), "convention", ".env.example"),
            claim(".", "env.TOKEN", EnvValue(default="hunter3"), "guess", "compose.yaml"),
        ]
    )
    assert service(analysis, ".").env[0].default is None
    assert "hunter" not in repr(analysis)


def test_places_where_a_variable_is_read_are_capped():
    reads = [claim(".", "env.X", EnvValue(), "convention", f"{at:03}.py", at) for at in range(1, 100)]
    assert len(service(fold([*web(), *reads]), ".").env[0].read_at) == 20


def test_a_package_needed_to_build_and_to_run_is_listed_for_both():
    analysis = fold(
        [
            *web(),
            claim(".", "system_packages.openssl", "build", plugin="one"),
            claim(".", "system_packages.openssl", "run", plugin="two"),
        ]
    )
    assert [(p.name, p.phase) for p in service(analysis, ".").system_packages] == [
        ("openssl", "build"),
        ("openssl", "run"),
    ]


def test_a_volume_is_treated_with_the_greater_care():
    analysis = fold(
        [
            *web(),
            claim(".", "volumes.data", "cache", "convention"),
            claim(".", "volumes.data", "database", "convention"),
        ]
    )
    assert [(v.path, v.purpose) for v in service(analysis, ".").volumes] == [("data", "database")]
    assert conflicts(analysis) == []


def test_libraries_are_united():
    analysis = fold(
        [*web(), claim(".", "libraries", ["react", "celery"]), claim(".", "libraries", ["celery", "prisma"])]
    )
    assert service(analysis, ".").libraries == ["celery", "prisma", "react"]


def test_a_call_names_the_other_service_by_root_process_or_address():
    for token in ("backend", "api", "http://localhost:8000", "8000"):
        analysis = fold(
            [
                *web("backend", port=8000),
                claim("backend", "processes.api.command", "gunicorn app:app", "declared", "compose.yaml"),
                claim("frontend", "static_dir", "dist", "convention"),
                claim("frontend", f"calls.{token}", "VITE_API_URL", "convention"),
            ]
        )
        assert [(c.service, c.env) for c in service(analysis, "frontend").calls] == [("backend", "VITE_API_URL")]
    assert service(fold([*web("a"), claim("a", "calls.nobody", None, "convention")]), "a").calls == []


# ---------------------------------------------------------------------------------------------- order and names


def test_services_come_public_web_first_then_web_static_worker_cron_cli_then_by_depth_and_path():
    analysis = fold(
        [
            claim("z/site", "static_dir", ".", "convention"),
            claim("jobs", "processes.worker.command", "python bot.py", "convention"),
            claim("nightly", "processes.nightly.schedule", "0 3 * * *", "declared", "render.yaml"),
            claim("tool", "processes.tool.kind", "cli", "convention"),
            *web("deep/er/api"),
            *web("b"),
            *web("a"),
            *web("docs"),
            claim("inner", "processes.inner.command", "gunicorn x", "declared", "compose.yaml"),
            claim("b", "processes.web.ports", [Port(80, "http", True)], "declared", "compose.yaml"),
        ]
    )
    assert [s.root for s in analysis.services] == [
        "a", "b", "deep/er/api", "inner", "z/site", "jobs", "nightly", "tool", "docs",
    ]  # fmt: skip


def test_names_are_unique_dns_labels():
    analysis = fold(
        [
            *web("a/web"),
            *web("b/web"),
            *web("c"),
            claim("c", "name", "@Shop/My_Café App!"),
            *web("."),
        ]
    )
    assert {s.root: s.name for s in analysis.services} == {
        ".": "app",
        "c": "my-cafe-app",
        "a/web": "web",
        "b/web": "web-2",
    }


def test_a_hostile_name_becomes_a_label():
    for name in ("../../etc", "-" * 100, "a" * 500, "\u202e\u0000x"[:1] + "x", "$(rm -rf)", "漢字"):
        found = service(fold([*web(), claim(".", "name", name)]), ".").name
        assert 0 < len(found) <= 63
        assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert not found.startswith("-")
        assert not found.endswith("-")


# ---------------------------------------------------------------------------------------------- bad claims, findings


def test_a_bad_claim_costs_only_itself_and_names_its_plugin():
    bad = [
        claim(".", "nonsense", 1, plugin="broken"),
        claim(".", "port", 70_000, plugin="broken"),
        claim(".", "port", "http", plugin="broken"),
        claim(".", "processes.web.schedule", "daily", plugin="broken"),
        claim(".", "env.A B", EnvValue(), plugin="broken"),
        claim("../up", "port", 80, path="x", plugin="broken"),
        claim(".", "name", "", plugin="broken"),
        claim(".", "start_command", "x\0y", plugin="broken"),
        claim(".", "python.version", ">=3.12", plugin="broken"),
        claim(".", "port", 80, "certain", plugin="broken"),
        Claim(".", "port", 80, "declared", [], "broken"),
    ]
    analysis = fold([*web(), *bad])
    assert [finding.rule for finding in analysis.findings] == ["bad-claim"] * len(bad)
    assert all("broken" in finding.message for finding in analysis.findings)
    assert service(analysis, ".").port == 8000


def test_findings_are_sorted_by_severity_each_once_and_waived_ones_left_out():
    low = Finding("root-user", "low", "Dockerfile", 1, "Runs as root.")
    high = Finding("debug", "high", "a/settings.py", 3, "DEBUG is on.")
    other = Finding("debug", "high", "b/settings.py", 3, "DEBUG is on.")
    assert fold([], [low, other, high, low]).findings == [high, other, low]
    waive = claim("a", "waive.debug", True, "override", "autostack.yaml")
    assert fold([waive], [low, other, high]).findings == [other, low]
    assert fold([claim(".", "waive.debug", True, "override", "autostack.yaml")], [low, other, high]).findings == [low]


def test_service_detected_speaks_about_its_own_root_only():
    mine = claim("api", "processes.worker.command", "celery -A x worker", "convention")
    refused = [
        claim(".", "port", 80),
        claim("other", "processes.web.kind", "web", "convention"),
        claim("api", "part_of", "."),
        claim("api", "library", True),
        claim("api", "resources.db.kind", "postgres"),
    ]
    kept, findings = accept_detected("api", [mine, *refused])
    assert kept == [mine]
    assert [finding.rule for finding in findings] == ["bad-claim"] * len(refused)


def test_what_a_plugin_says_after_detection_still_loses_to_a_procfile():
    first = [
        claim(".", "processes.web.kind", "web", "convention", plugin="django"),
        claim(".", "processes.web.command", "gunicorn mine", "declared", "Procfile"),
    ]
    kept, _ = accept_detected(
        ".", [claim(".", "processes.web.command", "gunicorn usual", "convention", plugin="django")]
    )
    assert service(fold([*first, *kept]), ".").start_command == "gunicorn mine"


def test_nothing_gives_an_empty_analysis():
    analysis = fold([])
    assert (analysis.version, analysis.services, analysis.why) == (1, [], {})
