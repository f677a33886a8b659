"""Test the settings of a stack: defaults, accepted values, and one-line errors with the next command."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infra.settings import Settings
from stack_runtime.errors import UsageError


def test_defaults_are_the_lean_profile_and_a_budget_of_50_dollars() -> None:
    settings = Settings.of("dev", {})
    assert settings.profiles == ("lean",)
    assert settings.budget_usd == Decimal("50")


def test_setting_values_may_be_given_as_strings() -> None:
    settings = Settings.of("dev", {"profiles": '["queue"]', "budgetUsd": "49.99", "backups": "true", "volumeGb": "20"})
    assert settings.profiles == ("lean", "queue")
    assert (settings.budget_usd, settings.backups, settings.volume_gb) == (Decimal("49.99"), True, 20)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("budgetUsd", "NaN"),
        ("budgetUsd", "-1"),
        ("budgetUsd", "Infinity"),
        ("budgetUsd", "1e99"),
        ("budgetUsd", "49.999"),
        ("budgetUsd", "5.0004e1"),
        ("trafficTb", "20.0000000000000000000000000001"),
        ("workers", 0),
        ("workers", "many"),
        ("volumeGb", 9),
        ("tax", "none"),
        ("serverType", "cx23; rm -rf /"),
        ("location", "FSN1"),
        ("domain", "evil`).or(Host(`x"),
        ("sshFrom", ["not-a-network"]),
        ("registryMirror", "file:///etc/passwd"),
        ("email", "nobody"),
        ("serverImage", "ubuntu-24.04"),
        ("certificateChallenge", "tls"),
        ("certificateRoot", "/etc/ssl/root.pem"),
        ("certificateRoot", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("fxRate", "1.1"),
        ("typo", 1),
        ("budgetUsd", "5_0"),
        ("budgetUsd", "５０"),
        ("workers", True),
        ("snapshotGb", " 1 "),
        ("backups", 1),
        ("allowSnapshot", "yes"),
        ("services", {"postgres": {"cpu": True}}),
        ("notify", {"slack": "on"}),
        ("serverPrice", {"amount": "9.90", "currency": "EUR", "tax": "gross", "per": "month", "date": "1763596800"}),
        ("services", {"postgres": {"memoryMb": 1}}),
        ("services", {5: {"memoryMb": 100}}),
        ("notify", {True: True}),
        ("sshFrom", ["fe80::1%eth0"]),
        ("sshFrom", "[" * 30_000),
        ("httpPort", 8443),
        ("trafficTb", "1e-99999999"),
        ("stack", "other"),
    ],
)
def test_invalid_setting_is_a_one_line_usage_error(key: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.of("dev", {key: value})
    assert caught.value.exit_code == 2
    assert caught.value.next_command
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "command"),
    [
        ("workers", 0, "pulumi config set workers VALUE --stack dev"),
        ("profiles", "full", "pulumi config set --path 'profiles[0]' VALUE --stack dev"),
        ("services", {"postgres": {"memoryMb": 1}}, "pulumi config set --path services.postgres.memoryMb VALUE"),
        ("serverTpe", "cx23", "pulumi config rm serverTpe --stack dev"),
        ("sshFrom", ["10.0.0.0/8", "203.0.113.7/24"], "pulumi config set --path 'sshFrom[1]' VALUE"),
        ("services", {"Post gres": {}}, """pulumi config rm --path 'services["Post gres"]' --stack dev"""),
        ("services", {"postgres": {"memory_mb": 100}}, "pulumi config rm --path 'services.postgres[\"memory_mb\"]'"),
        ("services", {"postgres": {1.5: 100}}, "correct Pulumi.dev.yaml"),
        ("fxRate", "1.1", "correct Pulumi.dev.yaml"),
        (
            "notify",
            {"email": {"to": "a@b.c", "sender": "a@b.c", "server": "b.c", "user": "a", "requireTls": False}},
            "correct Pulumi.dev.yaml",
        ),
    ],
)
def test_next_command_corrects_the_invalid_setting(key: str, value: object, command: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.of("dev", {key: value})
    assert caught.value.next_command.startswith(command)


def test_error_about_an_invalid_service_name_in_the_settings_describes_a_valid_name() -> None:
    message = r'setting services\["Post gres"\]: its name must be at most 31 lower-case letters, digits and hyphens'
    with pytest.raises(UsageError, match=message) as caught:
        Settings.of("dev", {"services": {"Post gres": {}}})
    assert "[key]" not in str(caught.value)


@pytest.mark.parametrize("day", ["1759795200", 1759795200, 0, "2026-10-07T00:00:00", "20261007"])
def test_date_in_a_form_other_than_yyyy_mm_dd_is_refused(day: object) -> None:
    with pytest.raises(UsageError, match="setting fxDate: it must be a date such as 2026-10-07 "):
        Settings.of("dev", {"fxRate": "1.1", "fxDate": day})


def test_settings_are_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        Settings.of("dev", {}).budget_usd = Decimal("1000")  # type: ignore[misc]


def test_error_about_a_refused_text_describes_the_valid_form_without_the_pattern() -> None:
    """Give each setting that has a pattern, except `stack`, a text that matches none of the patterns."""
    properties = Settings.model_json_schema(by_alias=True)["properties"]
    patterned = [key for key, schema in properties.items() if "pattern" in schema and key != "stack"]
    assert len(patterned) > 8
    for key in patterned:
        with pytest.raises(UsageError, match=f"^setting {key}: it must be ") as caught:
            Settings.of("prod", {key: "no \t form {}"})
        assert "pattern" not in str(caught.value)
