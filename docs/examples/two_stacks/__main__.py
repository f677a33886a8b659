"""Two data stacks in one Pulumi program, one of them with a service of its own."""

import pulumi

from infra import DataStack, DataStackArgs, Service, Settings
from infra.services import Health, Resources, Route

config = pulumi.Config()

greeter = Service(
    name="greeter",
    image="python:3.11-slim",
    command=("python", "-m", "http.server", "8000", "--directory", "/usr/share/doc"),
    user="10001:10001",
    resources=Resources(
        memory_mb=config.get_int("greeterMemoryMb") or 32,
        memory_limit_mb=config.get_int("greeterMemoryMb") or 64,
        cpu=0.05,
        cpu_limit=0.5,
    ),
    health=Health(("python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000').read()")),
    route=Route(host="greeter", port=8000),
)


def data_stack(purpose: str, port: int, *services: Service) -> DataStack:
    """Return a data stack whose pages are served at `port` (HTTP) and the next port (HTTPS)."""
    name = f"{purpose}-{pulumi.get_stack()}"
    settings = Settings(stack=name, http_port=port, https_port=port + 1)
    return DataStack(name, DataStackArgs(settings, services=services))


port = config.get_int("firstPort") or 8090
shop = data_stack("shop", port, greeter)
lab = data_stack("lab", port + 2)

pulumi.export("urls", {"shop": shop.urls, "lab": lab.urls})
pulumi.export("network", shop.networks["data"])
pulumi.export("host", shop.host)
pulumi.export("monthly_usd", str(shop.plan.total_usd))
