"""What a stack's update would do, foreseen from two template bodies, without asking AWS.

CloudFormation's own answer is a change set. This one knows which resources differ and which of their properties make
CloudFormation build a new one in place of the old; it can't know what AWS decides by the property's value.
"""

from __future__ import annotations

from typing import Final

from autostack.core.errors import InputRefused
from autostack.core.model import Change

# Properties that can't be changed in place ("createOnlyProperties" of AWS's resource schemas,
# https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html; read 2026-11-24).
REPLACING: Final[dict[str, frozenset[str]]] = {
    "AWS::CodeBuild::Project": frozenset({"Name"}),
    "AWS::EC2::EIP": frozenset({"Address", "IpamPoolId", "NetworkBorderGroup", "TransferAddress"}),
    "AWS::EC2::Instance": frozenset(
        {"AvailabilityZone", "CpuOptions", "ImageId", "KeyName", "LaunchTemplate", "NetworkInterfaces",
         "PrivateIpAddress", "SecurityGroups", "SubnetId"}
    ),
    "AWS::EC2::Route": frozenset({"DestinationCidrBlock", "DestinationIpv6CidrBlock", "RouteTableId"}),
    "AWS::EC2::RouteTable": frozenset({"VpcId"}),
    "AWS::EC2::SecurityGroup": frozenset({"GroupDescription", "GroupName", "VpcId"}),
    "AWS::EC2::Subnet": frozenset({"AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"}),
    "AWS::EC2::SubnetRouteTableAssociation": frozenset({"RouteTableId", "SubnetId"}),
    "AWS::EC2::VPC": frozenset({"CidrBlock"}),
    "AWS::EC2::VPCGatewayAttachment": frozenset({"VpcId"}),
    "AWS::ECR::Repository": frozenset({"EncryptionConfiguration", "RepositoryName"}),
    "AWS::IAM::InstanceProfile": frozenset({"InstanceProfileName", "Path"}),
    "AWS::IAM::Role": frozenset({"Path", "RoleName"}),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName"}),
    "AWS::S3::Bucket": frozenset({"BucketName"}),
}  # fmt: skip

# Properties whose change stops, restarts or replaces the resource, depending on the values ("conditionalCreateOnly").
INTERRUPTING: Final[dict[str, frozenset[str]]] = {
    "AWS::EC2::Instance": frozenset(
        {"BlockDeviceMappings", "EbsOptimized", "InstanceType", "SecurityGroupIds", "Tenancy", "UserData"}
    ),
    "AWS::EC2::VPC": frozenset({"InstanceTenancy"}),
}

# What is lost with a resource that is replaced or removed.
LOST: Final[dict[str, str]] = {
    "AWS::EC2::Instance": "the machine's disk: databases, uploaded files and built images",
    "AWS::EC2::EIP": "the public address",
    "AWS::ECR::Repository": "all images, those of earlier releases among them",
    "AWS::Logs::LogGroup": "the log",
    "AWS::S3::Bucket": "uploaded releases and database dumps",
}


def predict(before: str | None, after: str) -> list[Change]:
    """One change for each resource that differs between two template bodies, in `after`'s order, then the removed ones.

    before  body of the stack as it is, or None if there is none

    Raises InputRefused if a body is no template.
    """
    old = _resources(before) if before is not None else {}
    new = _resources(after)
    changes = [_change(name, old.get(name), resource) for name, resource in new.items()]
    removed = [_gone(name, resource) for name, resource in old.items() if name not in new]
    return [change for change in changes if change is not None] + removed


def _change(name: str, old: dict[str, object] | None, new: dict[str, object]) -> Change | None:
    kind = str(new.get("Type"))
    if old is None:
        return Change("add", kind, name)
    if old.get("Type") != new.get("Type"):
        return Change("replace", kind, name, f"was {old.get('Type')}", LOST.get(str(old.get("Type"))))
    differing = _differing(_properties(old), _properties(new))
    if not differing:
        return None if old == new else Change("change", kind, name, "attributes of the template only")
    replacing = [property for property in differing if property in REPLACING.get(kind, frozenset())]
    detail = ", ".join(differing)
    if replacing:
        return Change("replace", kind, name, f"{detail} (because of {', '.join(replacing)})", LOST.get(kind))
    if any(property in INTERRUPTING.get(kind, frozenset()) for property in differing):
        return Change("change", kind, name, f"{detail}: stops and starts it, or replaces it", LOST.get(kind))
    return Change("change", kind, name, detail)


def _gone(name: str, old: dict[str, object]) -> Change:
    kind = str(old.get("Type"))
    return Change("remove", kind, name, replaces=LOST.get(kind))


def _differing(old: dict[str, object], new: dict[str, object]) -> list[str]:
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _properties(resource: dict[str, object]) -> dict[str, object]:
    found = resource.get("Properties")
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def _resources(body: str) -> dict[str, dict[str, object]]:
    import yaml

    try:
        template = yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise InputRefused(f"the body is no CloudFormation template: {error}") from None
    resources = template.get("Resources") if isinstance(template, dict) else None
    if not isinstance(resources, dict):
        raise InputRefused("the body is no CloudFormation template: it has no Resources")
    return {str(name): resource for name, resource in resources.items() if isinstance(resource, dict)}
