"""Target `aws-ec2`: what is proposed, the stack's template, the files for the machine, and the predicted plan."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml

from autostack.core.checking import check_template
from autostack.core.context import Context
from autostack.core.cost import PriceTable, estimate
from autostack.core.model import (
    Analysis,
    Architecture,
    Bundle,
    Component,
    Deployment,
    Env,
    Finding,
    GeneratedFile,
    Port,
    Process,
    Release,
    Resource,
    ResourceEnv,
    Service,
    SystemPackage,
    Toolchain,
    Volume,
)
from autostack.core.source import SourceTree
from autostack.plugins.aws.prices import register_prices
from autostack.plugins.deployers import aws_ec2
from autostack.plugins.deployers.aws_ec2 import Settings
from tests import validators

HOSTILE = "a\": [x], 'b'\n!Sub ${AWS::AccountId} {{resolve:ssm:/x}} $(reboot) `reboot` #"
WEB = Process("web", "web", "web", "gunicorn shop.wsgi", ports=[Port(8000, public=True)], public=True)
SHOP = Service(
    root=".",
    build_root=".",
    name="shop",
    kind="web",
    language="python",
    start_command="gunicorn shop.wsgi",
    port=8000,
    port_env="PORT",
    health_path="/health",
    processes=[
        WEB,
        Process("worker", "worker", "worker:celery", "celery -A shop worker"),
        Process("beat", "worker", "worker:celery-beat", "celery -A shop beat", singleton=True),
        Process("migrate", "release", "release", "python manage.py migrate"),
        Process("nightly", "cron", "cron", "python manage.py clearsessions", schedule="0 3 1 * 1"),
    ],
    toolchains=[Toolchain("python", ".")],
    env=[
        Env("SECRET_KEY", required=True, secret=True),
        Env("DATABASE_URL", required=True, secret=True),
        Env("STRIPE_KEY", required=True, secret=True),
    ],
    volumes=[Volume("media", "uploads")],
    needs=["db"],
)
DB = Resource("db", "postgres", "16", used_by=["."], env=[ResourceEnv("DATABASE_URL", "url")])
FULL = Analysis(services=[SHOP], resources=[DB])
TINY = Analysis(services=[Service(".", ".", "hello", "web", start_command="python app.py", port=8000,
                                  processes=[replace(WEB, command="python app.py")])])  # fmt: skip
SITE = Analysis(services=[Service(".", ".", "site", "static", static_dir="dist")])
BUILT = Analysis(
    services=[
        replace(TINY.services[0], name="front", toolchains=[Toolchain("node", ".", build_command="npm run build")])
    ]
)


def propose(analysis: Analysis, **settings: str) -> Architecture:
    [target] = aws_ec2.register_targets()
    proposed = aws_ec2.propose_architecture(analysis, target, Context(settings=msgspec.convert(settings, Settings)))
    assert proposed is not None
    return proposed


def generate(analysis: Analysis, source: Path, **settings: str) -> dict[str, str]:
    ctx = Context(settings=msgspec.convert(settings, Settings))
    proposed = propose(analysis, **settings)
    assert proposed.declined is None
    with SourceTree.open(source) as tree:
        made = aws_ec2.analysis_done(analysis, {"aws-ec2": proposed}, tree, ctx)
    return {file.path.removeprefix("deploy/aws-ec2/"): file.content for file in made if isinstance(file, GeneratedFile)}


def part(proposed: Architecture, kind: str) -> Component:
    return next(component for component in proposed.components if component.kind == kind)


def machine(proposed: Architecture) -> str:
    return part(proposed, "instance").usage[0].item


class TestProposal:
    def test_a_small_application_gets_the_smallest_machine(self) -> None:
        assert machine(propose(TINY)) == "t4g.small"
        assert machine(propose(TINY, cpu="x86_64")) == "t3.small"

    def test_memory_of_processes_databases_and_caches_decides_the_machine(self) -> None:
        # 1.3 × (1000 + 300 system) = 1690: 2 GiB; 256 for a database: 2022, still 2 GiB; 64 for a cache: 2106, 4 GiB
        web = replace(WEB, command="python app.py", memory_mib=1000)
        cache = Resource("cache", "redis", used_by=["."])
        app = Analysis(services=[replace(TINY.services[0], processes=[web], needs=["db", "cache"])])
        assert machine(propose(app)) == "t4g.small"
        assert machine(propose(replace(app, resources=[DB]))) == "t4g.small"
        assert machine(propose(replace(app, resources=[DB, cache]))) == "t4g.medium"

    def test_an_application_too_large_for_one_machine_is_declined_with_numbers(self) -> None:
        huge = replace(TINY.services[0], processes=[replace(WEB, command="x", memory_mib=20_000)])
        declined = propose(Analysis(services=[huge])).declined
        assert declined is not None
        assert "t4g.xlarge" in declined
        assert "26390 MiB" in declined

    def test_nothing_to_run_is_declined(self) -> None:
        assert "Nothing to run" in str(propose(Analysis()).declined)
        tool = replace(TINY.services[0], kind="cli", processes=[Process("cli", "cli", "cli", "tool")])
        assert "Nothing to run" in str(propose(Analysis(services=[tool])).declined)

    def test_other_targets_are_not_answered(self) -> None:
        [target] = aws_ec2.register_targets()
        assert aws_ec2.propose_architecture(TINY, replace(target, name="aws-ecs"), Context()) is None

    @pytest.mark.parametrize(
        ("service", "place"),
        [
            (replace(SHOP, toolchains=[Toolchain("python", ".")]), "instance"),
            (replace(SHOP, toolchains=[Toolchain("node", ".")]), "instance"),
            (replace(SHOP, toolchains=[Toolchain("node", ".", build_command="npm run build")]), "codebuild"),
            (replace(SHOP, toolchains=[Toolchain("java", ".")]), "codebuild"),
            (replace(SHOP, toolchains=[Toolchain("rust", ".")]), "codebuild"),
            (replace(SHOP, system_packages=[SystemPackage("build-essential", "build")]), "codebuild"),
            (replace(SHOP, system_packages=[SystemPackage("libpq5", "run")]), "instance"),
        ],
    )
    def test_heavy_builds_are_not_done_on_the_machine(self, service: Service, place: str) -> None:
        assert propose(Analysis(services=[service])).build.place == place

    def test_where_images_are_built_can_be_chosen(self) -> None:
        assert propose(BUILT, build="instance").build.place == "instance"
        assert propose(FULL, build="codebuild").build.place == "codebuild"

    def test_the_disk_holds_the_system_and_all_volumes(self) -> None:
        proposed = propose(FULL)
        volumes = sum(c.size.gib or 0 for c in proposed.components if c.kind == "volume" and c.size and not c.usage)
        disk = next(c for c in proposed.components if c.kind == "volume" and c.usage)
        assert disk.size is not None
        assert (disk.size.gib, disk.usage[0].medium) == (16 + volumes, 16 + volumes)

    def test_everything_that_is_used_has_a_price(self) -> None:
        table = PriceTable(register_prices())
        for analysis in (FULL, TINY, BUILT, SITE):
            for region in ("us-east-1", "eu-central-1", "ap-southeast-1"):
                for cpu in ("arm64", "x86_64"):
                    assert estimate(propose(analysis, region=region, cpu=cpu), table).missing == []

    def test_a_small_application_costs_what_its_machine_disk_and_address_cost(self) -> None:
        cost = estimate(propose(TINY), PriceTable(register_prices()))
        fixed = 0.0168 * 730 + 16 * 0.08 + 0.005 * 730
        assert cost.total.low == pytest.approx(fixed + 0.5 * 0.5 + 0.25 * 0.03 + 0.1 * 0.023 + 0.1 * 0.005)

    def test_ids_stay_unique_when_the_application_uses_the_stacks_own_words(self) -> None:
        named = replace(TINY.services[0], name="instance")
        ids = [component.id for component in propose(Analysis(services=[named])).components]
        assert len(ids) == len(set(ids))

    @pytest.mark.parametrize(
        "wrong",
        [{"region": "us-east-1; rm"}, {"domain": "no_domain"}, {"domain": "x"}, {"ami": "ami-XYZ"}, {"zone": "a\nb"}],
    )
    def test_settings_of_a_wrong_shape_are_refused(self, wrong: dict[str, str]) -> None:
        with pytest.raises(ValueError, match="can't be"):
            msgspec.convert(wrong, Settings)


# Those of the template's types that take tags; the others can't have any.
TAGGABLE = {
    "AWS::CodeBuild::Project", "AWS::EC2::EIP", "AWS::EC2::Instance", "AWS::EC2::InternetGateway",
    "AWS::EC2::RouteTable", "AWS::EC2::SecurityGroup", "AWS::EC2::Subnet", "AWS::EC2::VPC", "AWS::ECR::Repository",
    "AWS::IAM::Role", "AWS::Logs::LogGroup", "AWS::S3::Bucket",
}  # fmt: skip
UNTAGGABLE = {
    "AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPCGatewayAttachment",
    "AWS::IAM::InstanceProfile",
}  # fmt: skip
VARIANTS: dict[str, tuple[Analysis, dict[str, str]]] = {
    "everything": (FULL, {}),
    "tiny": (TINY, {"cpu": "x86_64", "region": "eu-central-1"}),
    "static": (SITE, {"domain": "www.example.org"}),
    "built elsewhere": (BUILT, {"ami": "ami-0123456789abcdef0", "zone": "use1-az1", "domain": "example.org"}),
    "bucket": (Analysis(services=[SHOP], resources=[Resource("store", "s3", used_by=["."])]), {}),
    "hostile": (
        Analysis(
            services=[replace(SHOP, name=HOSTILE, port_env=HOSTILE, env=[Env(HOSTILE, required=True)])],
            resources=[replace(DB, name=HOSTILE, env=[ResourceEnv(HOSTILE, "url")])],
        ),
        {},
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=VARIANTS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    analysis, settings = VARIANTS[request.param]
    return generate(analysis, tmp_path_factory.mktemp("source"), **settings)


def resources(files: dict[str, str]) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(files["cloudformation.yaml"])["Resources"]
    return found


def at(value: object, *keys: str) -> object:
    """What stands at a path of nested mappings; of a list, its only item is followed."""
    for key in keys:
        if isinstance(value, list):
            [value] = value
        assert isinstance(value, dict)
        value = value[key]
    return value


class TestTemplate:
    def test_cfn_lint_finds_nothing(self, files: dict[str, str], tmp_path: Path) -> None:
        path = tmp_path / "cloudformation.yaml"
        path.write_text(files["cloudformation.yaml"])
        assert validators.cfn_lint(path) == []

    def test_only_deployment_and_owner_are_parameters(self, files: dict[str, str]) -> None:
        assert set(yaml.safe_load(files["cloudformation.yaml"])["Parameters"]) == {"Deployment", "Owner"}

    def test_every_resource_that_can_be_tagged_is(self, files: dict[str, str]) -> None:
        for name, resource in resources(files).items():
            kind = at(resource, "Type")
            assert kind in TAGGABLE | UNTAGGABLE, "a new type: say whether it takes tags"
            if kind in TAGGABLE:
                tags = at(resource, "Properties", "Tags")
                assert isinstance(tags, list)
                assert {"Key": "autostack:deployment", "Value": {"Ref": "Deployment"}} in tags, name
                assert {"Key": "autostack:owner", "Value": {"Ref": "Owner"}} in tags, name

    def test_no_port_but_80_and_443_is_open(self, files: dict[str, str]) -> None:
        groups = [r for r in resources(files).values() if at(r, "Type") == "AWS::EC2::SecurityGroup"]
        rules = at(groups, "Properties", "SecurityGroupIngress")
        assert isinstance(rules, list)
        assert [(rule["FromPort"], rule["ToPort"]) for rule in rules] == [(80, 80), (443, 443)]
        assert not any("Ingress" in str(at(r, "Type")) for r in resources(files).values())

    def test_the_machine_has_no_key_wants_metadata_tokens_and_encrypts_its_disk(self, files: dict[str, str]) -> None:
        instance = at(resources(files), "Instance", "Properties")
        assert "KeyName" not in str(instance)
        assert at(instance, "MetadataOptions", "HttpTokens") == "required"
        disk = at(instance, "BlockDeviceMappings", "Ebs")
        assert (at(disk, "Encrypted"), at(disk, "VolumeType")) == (True, "gp3")

    def test_the_bucket_is_private_encrypted_and_versioned(self, files: dict[str, str]) -> None:
        bucket = at(resources(files), "Bucket", "Properties")
        blocked = at(bucket, "PublicAccessBlockConfiguration")
        assert isinstance(blocked, dict)
        assert list(blocked.values()) == [True] * 4
        rule = at(bucket, "BucketEncryption", "ServerSideEncryptionConfiguration", "ServerSideEncryptionByDefault")
        assert rule == {"SSEAlgorithm": "AES256"}
        assert at(bucket, "VersioningConfiguration") == {"Status": "Enabled"}

    def test_the_body_is_small_enough_to_be_sent(self, files: dict[str, str]) -> None:
        assert len(files["cloudformation.yaml"].encode()) < 51_200

    def test_the_machines_script_is_small_enough_and_valid_shell(self, files: dict[str, str], tmp_path: Path) -> None:
        script = at(resources(files), "Instance", "Properties", "UserData", "Fn::Base64", "Fn::Sub")
        assert isinstance(script, str)
        assert len(script) < 12_000  # 16 KiB are allowed, before base64
        (tmp_path / "user-data").write_text(script)
        subprocess.run(["bash", "-n", tmp_path / "user-data"], check=True)
        assert "deploy/aws-ec2/release.sh" in script

    def test_rendering_is_the_same_every_time(self, tmp_path: Path) -> None:
        assert generate(FULL, tmp_path) == generate(FULL, tmp_path)


def test_containers_reach_the_machines_credentials_only_where_the_bucket_is_used(tmp_path: Path) -> None:
    hops = {}
    for name in ("everything", "bucket"):
        instance = at(resources(generate(VARIANTS[name][0], tmp_path)), "Instance", "Properties")
        hops[name] = at(instance, "MetadataOptions", "HttpPutResponseHopLimit")
    assert hops == {"everything": 1, "bucket": 2}


def test_the_priced_machine_is_the_one_in_the_template(tmp_path: Path) -> None:
    proposed = propose(FULL)
    made = resources(generate(FULL, tmp_path))
    assert at(made, "Instance", "Properties", "InstanceType") == machine(proposed)


class TestMachineFiles:
    @pytest.mark.parametrize("name", ["compose.yaml", "host.yaml"])
    def test_compose_files_fit_the_specification(self, files: dict[str, str], name: str, tmp_path: Path) -> None:
        assert yaml.safe_load(files[name])["services"]
        (tmp_path / name).write_text(files[name])
        assert validators.compose_schema(tmp_path / name) == []

    def test_scripts_pass_shellcheck(self, files: dict[str, str], tmp_path: Path) -> None:
        path = tmp_path / "release.sh"
        path.write_text(files["release.sh"])
        subprocess.run(["bash", "-n", path], check=True)
        assert validators.shellcheck(path, "bash") == []

    def test_no_secret_value_is_in_any_file(self, tmp_path: Path) -> None:
        made = generate(FULL, tmp_path)
        assert "postgresql://app:${DB_PASSWORD" in made["compose.yaml"]
        assert "required=(STRIPE_KEY)" in made["release.sh"]
        assert "generated=(DB_PASSWORD SECRET_KEY)" in made["release.sh"]
        assert "STRIPE_KEY" not in made["compose.yaml"]

    def test_only_the_web_server_publishes_ports(self, files: dict[str, str]) -> None:
        published = {
            (name, service): definition["ports"]
            for name in ("compose.yaml", "host.yaml")
            for service, definition in yaml.safe_load(files[name])["services"].items()
            if "ports" in definition
        }
        assert published == {("host.yaml", "edge_caddy"): ["80:80", "443:443"]}

    def test_release_steps_and_jobs_do_not_stay(self, tmp_path: Path) -> None:
        services = yaml.safe_load(generate(FULL, tmp_path)["compose.yaml"])["services"]
        profiles = {name: definition.get("profiles") for name, definition in services.items()}
        assert profiles == {
            "shop": None, "shop-worker": None, "shop-beat": None, "shop-migrate": ["step"], "shop-nightly": ["cron"],
        }  # fmt: skip

    def test_a_job_on_a_day_of_the_month_or_of_the_week_has_both_times(self, tmp_path: Path) -> None:
        script = generate(FULL, tmp_path)["release.sh"]
        assert "timer shop-nightly 'cron shop-nightly' '*-*-01 03:00:00 UTC' 'Mon *-*-* 03:00:00 UTC'" in script

    def test_a_schedule_that_can_not_be_read_is_a_finding_and_no_timer(self, tmp_path: Path) -> None:
        job = Process("odd", "cron", "cron", "true", schedule="every day")
        analysis = Analysis(services=[replace(TINY.services[0], processes=[*TINY.services[0].processes, job])])
        with SourceTree.open(tmp_path) as tree:
            made = aws_ec2.analysis_done(analysis, {"aws-ec2": propose(analysis)}, tree, Context())
        [finding] = [item for item in made if isinstance(item, Finding)]
        assert finding.rule == "bad-schedule"
        [script] = [f.content for f in made if isinstance(f, GeneratedFile) and f.path.endswith("release.sh")]
        assert "timer hello-odd" not in script

    def test_caddy_serves_the_domain_if_there_is_one(self, tmp_path: Path) -> None:
        assert "example.org {\n" in generate(TINY, tmp_path, domain="example.org")["Caddyfile"]
        assert ":80 {\n" in generate(TINY, tmp_path)["Caddyfile"]

    def test_the_sources_own_dockerfile_is_used_where_it_serves(self, tmp_path: Path) -> None:
        (tmp_path / "Dockerfile").write_text('FROM python:3.13-slim\nCOPY . .\nCMD ["python", "app.py"]\n')
        from autostack.core.model import Build

        kept = Analysis(services=[replace(TINY.services[0], build=Build(".", "Dockerfile", target="final"))])
        assert "build_one hello . Dockerfile --target final\n" in generate(kept, tmp_path)["release.sh"]
        assert "build_one hello . deploy/Dockerfile.hello\n" in generate(TINY, tmp_path)["release.sh"]


def test_no_template_prints_inside_quotes() -> None:
    for template in sorted(Path(aws_ec2.__file__).parent.glob("*.j2")):
        assert check_template(template.read_text(encoding="utf-8")) == [], template.name


class TestPlan:
    DEPLOYMENT = Deployment("a" * 16, "p" * 16, "aws-ec2", "autostack-" + "a" * 16, "planned")

    def release(self, body: str | None = None) -> Release:
        checkpoint: dict[str, object] | None = {"body": body} if body is not None else None
        return Release("r" * 16, "a" * 16, 3, "b" * 16, "planning", checkpoint=checkpoint)

    def bundle(self, made: dict[str, str]) -> Bundle:
        return Bundle(files=[GeneratedFile(f"deploy/aws-ec2/{name}", text, "") for name, text in made.items()])

    def test_a_first_plan_adds_every_resource_and_is_marked_as_predicted(self, tmp_path: Path) -> None:
        made = generate(FULL, tmp_path)
        plan = aws_ec2.plan_requested(self.release(), propose(FULL), self.bundle(made))
        assert [c.name for c in plan.changes if c.action == "add"] == list(resources(made))
        assert plan.predicted
        assert plan.body == made["cloudformation.yaml"]
        assert plan.region == "us-east-1"
        assert "cloudformation:CreateChangeSet" in plan.calls
        assert "codebuild:StartBuild" not in plan.calls
        assert any("plain HTTP" in warning for warning in plan.warnings)
        assert any("isn't pinned" in warning for warning in plan.warnings)
        assert any("STRIPE_KEY" in warning for warning in plan.warnings)

    def test_a_larger_machine_is_a_change_with_a_restart(self, tmp_path: Path) -> None:
        before = generate(FULL, tmp_path)["cloudformation.yaml"]
        made = generate(FULL, tmp_path, instance_type="t4g.large")
        plan = aws_ec2.plan_requested(self.release(before), propose(FULL, instance_type="t4g.large"), self.bundle(made))
        assert [(c.action, c.name) for c in plan.changes] == [("change", "Instance"), ("change", "r3")]
        assert plan.downtime is not None
        assert "restart" in plan.downtime

    def test_a_new_machine_image_replaces_the_machine_and_says_what_is_lost(self, tmp_path: Path) -> None:
        before = generate(FULL, tmp_path, ami="ami-0123456789abcdef0")["cloudformation.yaml"]
        made = generate(FULL, tmp_path, ami="ami-0fedcba9876543210")
        plan = aws_ec2.plan_requested(self.release(before), propose(FULL), self.bundle(made))
        [instance] = [change for change in plan.changes if change.name == "Instance"]
        assert instance.action == "replace"
        assert "databases" in str(instance.replaces)
        assert any("Instance would be replaced" in warning for warning in plan.warnings)

    def test_without_a_connection_nothing_is_done_and_the_reason_says_so(self) -> None:
        for outcome in (
            aws_ec2.deploy_requested(self.DEPLOYMENT, Context()),
            aws_ec2.deployment_checked(self.DEPLOYMENT, Context()),
        ):
            assert outcome.state == "failed"
            assert outcome.reason is not None
            assert outcome.reason.startswith("no AWS connection: plan only")
        ended = aws_ec2.destroy_requested(self.DEPLOYMENT, Context())
        assert ended.state == "done"  # nothing was made, so the deployment can be let go
        assert any("describe-stacks" in command for command in ended.next)
        [target] = aws_ec2.register_targets()
        assert target.plan_only == "no AWS connection: plan only"


def test_stack_policy_is_json_that_protects_machine_and_bucket(tmp_path: Path) -> None:
    policy = json.loads(generate(TINY, tmp_path)["stack-policy.json"])
    [deny] = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    assert deny["Resource"] == ["LogicalResourceId/Instance", "LogicalResourceId/Bucket"]
