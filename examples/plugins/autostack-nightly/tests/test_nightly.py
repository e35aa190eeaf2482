import autostack_nightly

SCRIPT = "#!/bin/sh\n# schedule: 30 2 * * *\nfind /var/backups -mtime +30 -delete\n"


def test_a_nightly_script_is_a_cron_process(analyze_with):
    analysis = analyze_with(autostack_nightly, files={"jobs/nightly.sh": SCRIPT})
    service = analysis.services[0]
    process = service.processes[0]
    assert (service.root, process.kind, process.command) == ("jobs", "cron", "sh nightly.sh")
    assert process.schedule == "30 2 * * *"


def test_the_settings_say_when_a_script_runs_that_does_not_say_it(ask):
    claims = ask(
        autostack_nightly,
        "project_uploaded",
        files={"nightly.sh": "echo hello\n"},
        settings={"schedule": "15 4 * * 0"},
    )
    assert [claim.value for claim in claims] == ["cron", "sh nightly.sh", "15 4 * * 0"]


def test_a_source_without_such_a_script_is_left_alone(ask):
    assert ask(autostack_nightly, "project_uploaded", files={"weekly.sh": SCRIPT}) == []
