"""Test that each failure message of the Pulumi engine becomes one error with an exit code and a next step."""

from __future__ import annotations

import pytest

from infra.engine.errors import PROGRAM, to_stack_error


@pytest.mark.parametrize(
    ("reason", "code", "says"),
    [
        ("Container a: mkdir /data/x: no space left on device", 5, "a disk of the host is full"),
        ("RemoteImage a: the Docker daemon is not reached over SSH: Connection reset", 5, "goes on where"),
        ("Container a: error during connect: command [ssh] has exited with exit status 255", 5, "goes on where"),
        ("RemoteImage a: ('Connection broken: IncompleteRead(0 bytes read)')", 5, "goes on where"),
        (
            "RemoteImage a: Unable to read Docker image into resource: unable to pull image fds/a:1: denied",
            5,
            "goes on",
        ),
        ("RemoteImage b: unable to pull image redis:7: no such host", 5, "image redis:7 could not be pulled"),
        ("RemoteImage b: unable to find or pull image a.io/b/c:v3.7", 5, "image a.io/b/c:v3.7 could not be pulled"),
        (
            "RemoteImage b: Unable to read Docker image into resource: unable to pull image redis:7: error pulling "
            "image redis:7: Error response from daemon: toomanyrequests: You have reached your pull rate limit.",
            5,
            "refuses more downloads by the host for now",
        ),
        ("Container c: Unable to create container with image a:1: toomanyrequests: Rate exceeded", 5, "docker login"),
        (
            f"RemoteImage a: unable to find or pull image postgres:15@sha256:{'a' * 64}",
            5,
            "remove the line of postgres:15 from images.lock.yaml",
        ),
        ("RemoteImage a: unable to find or pull image postgres:15", 5, "pull it there by hand"),
        ("Volume data: the service is currently unavailable (unavailable, 4c0d)", 5, "next: wait some minutes"),
        ("SshKey deploy: hcloud: server responded with status code 503", 5, "the Hetzner API is busy"),
        (
            "SshKey deploy: ('Connection aborted.', RemoteDisconnected('Remote end closed connection'))",
            5,
            "a connection broke",
        ),
        ('Server server: Get "https://api.example/v1/servers/1": EOF', 5, "API broke"),
        ('Server server: Get "https://api.example/v1": dial tcp 192.0.2.1:443: i/o timeout', 5, "goes on where"),
        ('Firewall firewall: Post "https://api.hetzner.cloud/v1/firewalls/1/actions/set_rules": EOF', 5, "API broke"),
        ('Volume data: Post "http://127.0.0.1:1/v1/volumes": read: connection reset by peer', 5, "API broke"),
        ('Container a: error during connect: Get "http://docker/v1.43/info": exit status 255', 5, "to the host broke"),
        ("Server server: server is locked (locked, 4c0d)", 5, "still busy with this"),
        ("Server server: server limit exceeded (resource_limit_exceeded, 4c0d)", 5, "next: raise the limit"),
        (
            "error: Could not automatically download and install resource plugin 'pulumi-resource-docker' at version "
            "v5.2.0: error downloading provider docker: dial tcp: no such host",
            5,
            "plugin docker is missing and cannot be downloaded (stack prod); next: fds setup --stack prod",
        ),
        ("no resource plugin 'pulumi-resource-hcloud' found in the workspace", 5, "plugin hcloud is missing"),
        ("Server server: hcloud: server responded with status code 500", 5, "which first checks what took effect"),
        ("Volume data: hcloud: server responded with status code 504", 5, "which first checks what took effect"),
        ("SshKey deploy: Bad Gateway (502)", 5, "which first checks what took effect"),
        ("SshKey deploy: Service Unavailable (503)", 5, "the Hetzner API is busy"),
        ("Server server: an internal error (server_error, 4c0d)", 5, "which first checks what took effect"),
        ("Server server: no answer of the backend (bad_gateway, 4c0d)", 5, "which first checks what took effect"),
        ("Volume data: no answer in time (timeout, 4c0d)", 5, "which first checks what took effect"),
        ("Server server: context deadline exceeded", 5, "which first checks what took effect"),
        ("Container a: context deadline exceeded", 1, "next: fds doctor --stack prod"),
        ("Network prod-network: invalid character '<' looking for beginning of value", 5, "did not answer completely"),
        ("Network prod-web-network: invalid character '<' looking for beginning of value", 1, "next: fds doctor"),
        (
            "Volume prod-data: hcloud: error reading response meta data: unexpected end of JSON input",
            5,
            "did not answer completely",
        ),
        ("SshKey deploy: Created (201)", 5, "did not answer completely"),
        ("Server server: change_type did not end in 5400 s", 5, "did not answer completely"),
        ("ServerNetwork a: An API action for the resource failed. no room Error code: x", 5, "an action failed in"),
        ("Server server: insufficient permissions (forbidden, 4c0d)", 5, "next: export HCLOUD_TOKEN"),
        ("Server server: hcloud: server responded with status code 403", 5, "next: export HCLOUD_TOKEN"),
        ("Server server: Forbidden (403)", 5, "next: export HCLOUD_TOKEN"),
        ("Server server: planned maintenance (maintenance, 4c0d)", 5, "next: wait until status.hetzner.com"),
        ("Volume data: volume is protected (protected, 4c0d)", 5, "next: remove its protection"),
        ("Volume data: no space (no_space_left_in_location, 4c0d)", 5, "next: wait some hours"),
        ("Volume data: unavailable now (resource_unavailable, 4c0d)", 5, "next: wait some hours"),
        ("Server second: unavailable now (resource_unavailable, 4c0d)", 5, "no room for a resource"),
        ("Firewall firewall: applied already (firewall_already_applied, 4c0d)", 5, "refused a request"),
        (
            "Server second: server type cpx22 is deprecated (invalid_input, 4c0d)",
            5,
            "correct what it names, in Pulumi.",
        ),
        ("ZoneRrset www: hcloud: server responded with status code 404", 5, "refused a request"),
        ("Server server: * create_server failed: no room (action_failed)", 5, "which first checks what took effect"),
        ("Server server: server name is already used (uniqueness_error, 4c0d)", 3, "next: rename or delete it"),
        ("SshKey deploy: SSH key not unique (uniqueness_error)", 3, "which is not the stack's"),
        (
            "Firewall firewall: only GET (token_readonly, 4c0d)",
            5,
            "token is read-only (stack prod); next: create a token",
        ),
        ("SshKey deploy: unable to authenticate (unauthorized, 4c0d)", 5, "export HCLOUD_TOKEN"),
        (
            "validating stack config: cipher: message authentication failed",
            2,
            "cannot be decrypted with this passphrase",
        ),
        (f"{PROGRAM}the first boot failed; next: fds down", 5, "failed; next: fds down"),
        ("the first boot failed; next: fds down", 5, "the first boot failed; next: fds down"),
        ("Container a: container failed to be in healthy state", 1, "next: fds doctor --stack prod"),
    ],
)
def test_error_about_a_failure_of_the_pulumi_engine_has_exit_code_and_next_step(
    reason: str, code: int, says: str
) -> None:
    error = to_stack_error(reason, "prod")
    assert error.exit_code == code
    assert says in str(error)
    assert str(error).count("next: ") == 1
