"""Test that the audit of Python packages distinguishes packages without vulnerabilities from unchecked packages."""

from __future__ import annotations

from typing import Any

from scripts.audit import result

CLEAN: dict[str, Any] = {"name": "rich", "version": "15.0.0", "vulns": []}
SKIPPED = {"name": "agate", "skip_reason": "Dependency not found on PyPI and could not be audited: agate (1.9.1)"}
FOUND: dict[str, Any] = {
    "name": "jinja2",
    "version": "2.11.2",
    "vulns": [{"id": "PYSEC-2021-66", "fix_versions": ["2.11.3"], "aliases": ["CVE-2020-28493"], "description": "…"}],
}


def test_audit_succeeds_without_vulnerabilities() -> None:
    assert result([CLEAN, CLEAN]) == (["audit: 1 packages checked, 0 known vulnerabilities"], 0)


def test_vulnerability_is_reported_with_the_fixed_version() -> None:
    lines, code = result([CLEAN, FOUND, SKIPPED])
    assert code == 1
    assert lines[0] == "jinja2 2.11.2: PYSEC-2021-66, fixed in 2.11.3"
    assert lines[1] == "audit: 2 packages checked, 1 known vulnerabilities"


def test_incomplete_audit_without_a_found_vulnerability_exits_with_5() -> None:
    lines, code = result([SKIPPED, SKIPPED])
    assert code == 5
    assert lines[-1].startswith("audit: NOT checked: 1 packages") and "agate" in lines[-1]
    assert result([CLEAN, SKIPPED])[1] == 5
    assert result([])[1] == 5
