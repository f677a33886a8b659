"""Define Redis 7, a queue and cache for services that run jobs in parallel."""

from __future__ import annotations

from infra.services._model import Context, File, Health, Resources, Service, Volume, secret


def _configuration(context: Context) -> str:
    return "\n".join(
        (
            "bind 0.0.0.0",
            "dir /data",
            "appendonly yes",
            "maxmemory 64mb",
            "maxmemory-policy noeviction",
            f"requirepass {context.secrets['redis_password']}",
            "",
        )
    )


# Log in over the network, as other services do. Pipe the password to the client, so that no argument contains it.
_ANSWERS = (
    '{ echo "AUTH $(cat /run/fds/redis_password)"; echo PING; } | timeout 4 redis-cli -h "$HOSTNAME" | grep -qx PONG'
)

SERVICE = Service(
    name="redis",
    image="redis:7",
    profile="queue",
    user="999:999",
    command=("redis-server", "/run/fds/redis.conf"),
    secrets=("redis_password",),
    files=(File("redis.conf", _configuration), secret("redis_password")),
    volumes=(Volume("redis", "/data"),),
    resources=Resources(
        memory_mb=80,
        memory_limit_mb=128,
        cpu=0.05,
        cpu_limit=0.5,
        disk_gb=1,
        image_mb=128,
        measured="4 MiB idle; maxmemory lets it grow by 64 MiB",
    ),
    health=Health(("sh", "-c", _ANSWERS), retries=24),
)
