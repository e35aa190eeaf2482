"""A stack's update, foreseen from two template bodies."""

from __future__ import annotations

import pytest

from autostack.core.errors import InputRefused
from autostack.core.model import Change
from autostack.plugins.aws.changes import predict


def body(**resources: tuple[str, str]) -> str:
    """A template of resources by name: type, and properties as flow YAML."""
    lines = [f"  {name}: {{Type: '{kind}', Properties: {text}}}" for name, (kind, text) in resources.items()]
    return "Resources:\n" + "\n".join(lines) + "\n"


GROUP = "AWS::EC2::SecurityGroup"
MACHINE = "AWS::EC2::Instance"


def test_without_a_stack_everything_is_added() -> None:
    assert predict(None, body(Web=(GROUP, "{}"), Box=(MACHINE, "{}"))) == [
        Change("add", GROUP, "Web"),
        Change("add", MACHINE, "Box"),
    ]


def test_the_same_body_changes_nothing_however_it_is_written() -> None:
    one = body(Web=(GROUP, "{A: 1, B: [x, y]}"))
    other = body(Web=(GROUP, '{"B": ["x", "y"], "A": 1}'))
    assert predict(one, other) == []


def test_a_property_that_can_be_changed_is_a_change() -> None:
    [change] = predict(
        body(Web=(GROUP, "{VpcId: a, SecurityGroupIngress: []}")),
        body(Web=(GROUP, "{VpcId: a, SecurityGroupIngress: [{}]}")),
    )
    assert change == Change("change", GROUP, "Web", "SecurityGroupIngress")


def test_a_property_that_is_only_set_at_creation_replaces_and_names_what_is_lost() -> None:
    [change] = predict(body(Box=(MACHINE, "{ImageId: ami-1}")), body(Box=(MACHINE, "{ImageId: ami-2, Tags: []}")))
    assert (change.action, change.detail) == ("replace", "ImageId, Tags (because of ImageId)")
    assert change.replaces is not None
    assert "databases" in change.replaces


def test_a_property_that_may_interrupt_says_so() -> None:
    [change] = predict(body(Box=(MACHINE, "{UserData: a}")), body(Box=(MACHINE, "{UserData: b}")))
    assert change.action == "change"
    assert "stops and starts it, or replaces it" in str(change.detail)


def test_what_is_no_longer_there_is_removed_last() -> None:
    changes = predict(
        body(Old=("AWS::S3::Bucket", "{}"), Web=(GROUP, "{}")), body(Web=(GROUP, "{}"), New=(GROUP, "{}"))
    )
    assert [(change.action, change.name) for change in changes] == [("add", "New"), ("remove", "Old")]
    assert changes[1].replaces == "uploaded releases and database dumps"


def test_another_type_under_the_same_name_is_a_replacement() -> None:
    [change] = predict(body(X=("AWS::EC2::EIP", "{}")), body(X=(GROUP, "{}")))
    assert (change.action, change.replaces) == ("replace", "the public address")


@pytest.mark.parametrize("wrong", ["", "[", "a: 1", "Resources: 3", "Resources: !!python/object:os.system {}"])
def test_a_body_that_is_no_template_is_refused(wrong: str) -> None:
    with pytest.raises(InputRefused):
        predict(None, wrong)
