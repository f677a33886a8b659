"""Test that Redis' health check connects over the network: a Redis that listens only on loopback is unhealthy."""

from __future__ import annotations

import time

from tests.kit.service import Running, created

SECONDS = 60.0


def _answers_over_loopback(running: Running, command: list[str]) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if running.container.exec_run(command).exit_code == 0:
            return True
        time.sleep(0.2)
    return False


def test_health_check_of_redis_succeeds_over_the_network_with_the_password() -> None:
    with created("redis") as running:
        running.container.start()
        assert running.becomes_healthy(), running.logs()


def test_redis_that_listens_only_on_loopback_is_unhealthy() -> None:
    with created("redis") as running:
        configuration = {file.name: file.content(running.context) for file in running.service.files}["redis.conf"]
        running.deliver({"redis.conf": configuration.replace("bind 0.0.0.0", "bind 127.0.0.1")})
        running.container.start()
        inside = 'REDISCLI_AUTH="$(cat /run/fds/redis_password)" redis-cli -h 127.0.0.1 ping | grep -q PONG'
        assert _answers_over_loopback(running, ["sh", "-c", inside]), running.logs()
        assert running.checks() != 0


def test_redis_is_unhealthy_if_the_health_check_has_a_wrong_password() -> None:
    with created("redis") as running:
        running.deliver({"redis_password": "another"})
        running.container.start()
        secret = running.context.secrets["redis_password"]
        inside = f'REDISCLI_AUTH="{secret}" redis-cli ping | grep -q PONG'
        assert _answers_over_loopback(running, ["sh", "-c", inside]), running.logs()
        assert running.checks() != 0
