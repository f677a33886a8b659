"""Define the exporter that probes each route: whether the proxy asks for the login, whether the UI answers, and how
long the certificate is valid.

Each route is probed twice. Through the proxy, the answer must be the proxy's demand for a login. The proxy demands
the login even if the UI is down, so a second probe requests the UI directly. The probes have no password, because any
container in the exporter's network could make the exporter send it to an address of its choice.
"""

from __future__ import annotations

import json

from infra.services import _exporter, traefik
from infra.services._model import Context, File, Metrics, Service

PORT = 9115
JOB = "route_probes"
"""Name of the job in Prometheus. No service can have this name, because it contains an underscore."""
LOGIN, PAGE = "login", "page"
"""Names of the two kinds of probes, used as the label `probe`: one through the proxy, one at the UI itself."""

_NAME = "blackbox-exporter"


def _configuration(context: Context) -> str:
    """Return the exporter's configuration as JSON, which is valid YAML: one module for each kind of probe."""
    every = {"preferred_ip_protocol": "ip4", "follow_redirects": False}
    login = every | {
        "valid_status_codes": [401],
        "fail_if_header_not_matches": [{"header": "WWW-Authenticate", "regexp": traefik.DEMAND}],
        "tls_config": {"insecure_skip_verify": not traefik.has_trusted_certificates(context.settings)},
    }
    page = every | {"valid_status_codes": list(range(200, 500))}  # a UI may answer `/` with 404
    modules = {name: {"prober": "http", "timeout": "5s", "http": http} for name, http in ((LOGIN, login), (PAGE, page))}
    return json.dumps({"modules": modules})


def jobs(context: Context) -> list[dict[str, object]]:
    """Return the scrape jobs of the probes: one job with two targets for each service that has a route, else none.

    The series have the labels `service`, `host` (the name in the address) and `probe`.
    """
    targets = []
    for service in context.services:
        if service.route is None:
            continue
        host = f"{service.route.host}.{context.settings.domain}"
        labels = {"service": service.name, "host": host}
        proxy, ui = f"https://{traefik.SERVICE.name}:{traefik.HTTPS}/", f"http://{service.name}:{service.route.port}/"
        for probe, target, more in ((LOGIN, proxy, {"__param_hostname": host}), (PAGE, ui, {})):
            targets.append({"targets": [target], "labels": {**labels, **more, "probe": probe, "__param_module": probe}})
    relabel = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__address__"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": f"{_NAME}:{PORT}"},
    ]
    if not targets:
        return []
    return [{"job_name": JOB, "metrics_path": "/probe", "static_configs": targets, "relabel_configs": relabel}]


SERVICE = Service(
    name=_NAME,
    image="prom/blackbox-exporter:v0.29.0",
    profile=_exporter.PROFILE,
    user=_exporter.USER,
    command=("--config.file=/run/fds/blackbox.yml", f"--web.listen-address=:{PORT}"),
    files=(File("blackbox.yml", _configuration),),
    needs=("traefik",),
    probes=True,
    metrics=Metrics(PORT),
    resources=_exporter.resources("8 MiB with one route, 9 MiB with seven"),
    health=_exporter.health(PORT, "/-/healthy"),
)
