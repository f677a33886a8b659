"""Define Traefik, which serves every UI with TLS and a login. It is the only service that publishes ports.

The routes are in a file generated from the services' `route`, so Traefik needs no Docker socket.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

import bcrypt

from infra.hosts import host_of
from infra.services._model import Context, File, Health, Metrics, Resources, Route, Service, Volume
from infra.settings import Settings

HTTP, HTTPS = 8000, 8443
"""Ports in the container; above 1024, so that Traefik needs no root."""

METRICS = 8082
"""Port of the proxy's own metrics. It is not published, and Traefik opens it only if a service scrapes it."""

DEMAND = '^Basic realm="traefik"'
"""Start of the header `WWW-Authenticate` with which the proxy asks for the stack's login, as a regular expression."""

POLICY = {
    "default-src": "'self'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}
"""Content-Security-Policy of a UI, unless it sends its own. A route may add or replace directives.

It says from where pages may load, where they may send data, and which pages may embed them."""

BURST, PER_MINUTE = 600, 60
"""Rate limit per source and UI: requests in a burst, and requests per minute after the burst. It limits guesses of
the password, which has 24 random bytes. It applies to all requests, because the proxy cannot count only failed logins.
A first visit of the dashboard makes about 160 requests; later visits use the browser's cache."""

CERTIFICATES = "/var/tmp"
"""Folder of the certificates. A new volume gets owner and mode of the image's folder at which it is mounted. Every user
may write to `/var/tmp`, so the proxy needs no root."""

ACME = {
    "production": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
"""Addresses of Let's Encrypt's ACME directories, from its documentation."""


ROOT = "acme-root.pem"
"""File with the root certificate of a private CA."""

DNS_TOKEN = "dns_token"  # noqa: S105, this is the name of the secret
"""Name of the secret and of its file. The secret is an API token of the Hetzner project with the domain's DNS zone."""


def _static(context: Context) -> str:
    """Return Traefik's static configuration as JSON, which is valid YAML."""
    settings = context.settings
    web = {
        "address": f":{HTTP}",
        "http": {"redirections": {"entryPoint": {"to": f":{host_of(settings).ports(settings)[1]}", "scheme": "https"}}},
    }
    entry_points: dict[str, object] = {"web": web, "websecure": {"address": f":{HTTPS}"}}
    configuration: dict[str, object] = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN", "format": "json"},
        "entryPoints": entry_points,
        "providers": {"file": {"filename": "/run/fds/routes.yml", "watch": False}},
    }
    if any(service.scrapes for service in context.services):
        entry_points["metrics"] = {"address": f":{METRICS}"}
        configuration["metrics"] = {"prometheus": {"entryPoint": "metrics"}}
    if _has_certificates(settings):
        configuration["certificatesResolvers"] = {"acme": {"acme": _acme(settings)}}
    return json.dumps(configuration, indent=1)


def _has_certificates(settings: Settings) -> bool:
    """Return whether a CA issues certificates; otherwise the proxy uses a self-signed one."""
    return not host_of(settings).on_this_machine and settings.domain != "localhost"


def has_trusted_certificates(settings: Settings) -> bool:
    """Return whether clients trust the certificates, because Let's Encrypt's production service issues them."""
    return _has_certificates(settings) and settings.certificates == "production"


def _by_dns(settings: Settings) -> bool:
    return _has_certificates(settings) and settings.certificate_challenge == "dns"


def _acme(settings: Settings) -> dict[str, object]:
    # Store the certificates of each known CA in a file of its own, because Traefik would reuse a stored certificate of
    # another CA.
    authority = settings.certificates if settings.certificates in ACME else "other"
    found: dict[str, object] = {
        "email": settings.email,
        "storage": f"{CERTIFICATES}/acme-{authority}.json",
        "caServer": ACME.get(settings.certificates, settings.certificates),
    }
    if settings.certificate_root:
        found["caCertificates"] = [f"/run/fds/{ROOT}"]
    if _by_dns(settings):
        return found | {"dnsChallenge": {"provider": "hetzner"}}
    return found | {"httpChallenge": {"entryPoint": "web"}}


def _tls(settings: Settings) -> dict[str, object]:
    """Return the TLS settings of a router. With the DNS challenge, one certificate has all names."""
    if not _has_certificates(settings):
        return {}
    found: dict[str, object] = {"certResolver": "acme"}
    if _by_dns(settings):
        found["domains"] = [{"main": settings.domain, "sans": [f"*.{settings.domain}"]}]
    return found


def _environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment variables: for the DNS challenge, the path of the file that contains the token."""
    return {"HETZNER_API_TOKEN_FILE": f"/run/fds/{DNS_TOKEN}"} if _by_dns(settings) else {}


def _routes(context: Context) -> str:
    """Return one router and one backend for every service with a route, as JSON."""
    routers: dict[str, object] = {}
    backends: dict[str, object] = {}
    middlewares: dict[str, object] = {
        "tries": {"rateLimit": {"average": PER_MINUTE, "period": "1m", "burst": BURST}},
        "login": {"basicAuth": {"usersFile": "/run/fds/users", "removeHeader": True}},
    }
    for service in context.services:
        if service.route is None:
            continue
        name = f"{service.route.host}.{context.settings.domain}"
        hidden = "".join(f" && !PathPrefix(`{path}`)" for path in service.route.hidden)
        routers[service.name] = {
            "rule": f"Host(`{name}`){hidden}",
            "entryPoints": ["websecure"],
            "middlewares": [f"headers-{service.name}", "tries", "login"],
            "service": service.name,
            "tls": _tls(context.settings),
        }
        backends[service.name] = {"loadBalancer": {"servers": [{"url": f"http://{service.name}:{service.route.port}"}]}}
        middlewares[f"headers-{service.name}"] = {"headers": _headers(service.route, name)}
    return json.dumps({"http": {"routers": routers, "services": backends, "middlewares": middlewares}}, indent=1)


def _headers(route: Route, name: str) -> dict[str, object]:
    """Return the security headers of every response of a UI.

    The WebSocket address is listed explicitly, because not every browser counts a WebSocket as `'self'`.
    """
    policy = {**POLICY, "connect-src": f"'self' wss://{name}:*", **route.policy}
    headers: dict[str, object] = {
        "stsSeconds": 31_536_000,
        "contentTypeNosniff": True,
        # Set this older header too, for browsers that do not support `frame-ancestors`.
        "customFrameOptionsValue": "DENY" if policy["frame-ancestors"] == "'none'" else "SAMEORIGIN",
        "referrerPolicy": "same-origin",
        "permissionsPolicy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "customResponseHeaders": {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    }
    if not route.sends_policy:
        headers["contentSecurityPolicy"] = "; ".join(f"{directive} {sources}" for directive, sources in policy.items())
    return headers


def _health(context: Context) -> str:
    """Return a health check script: it requests the first UI by its host name, and expects status 401, the login.

    If the stack has no UI, the script expects 404. It uses the image's wget. `traefik healthcheck` would start a second
    proxy within the same memory limit, and take 3 s of CPU time per check.
    """
    hosts = [service.route.host for service in context.services if service.route]
    name, status = (f"{hosts[0]}.{context.settings.domain}", 401) if hosts else (context.settings.domain, 404)
    return (
        f"wget -S -T 3 -O /dev/null --no-check-certificate --header 'Host: {name}' \"https://$HOSTNAME:{HTTPS}/\" 2>&1 "
        f"| grep -q 'HTTP/1.1 {status}'\n"
    )


def _users(context: Context) -> str:
    """Return the stack's login as a line with a bcrypt hash.

    The salt is derived from stack and password, so that the line stays the same in every deployment. The cost factor is
    low, because the proxy checks the password on every request; a random password needs no higher factor.
    """
    password = context.secrets["ui_password"]
    digest = hashlib.sha256(f"salt {context.settings.stack} {password}".encode()).digest()
    salt = base64.b64encode(digest[:16], altchars=b"./").decode().rstrip("=")
    return "admin:" + bcrypt.hashpw(password.encode(), f"$2b$05${_to_bcrypt(salt)}".encode()).decode() + "\n"


def _to_bcrypt(text: str) -> str:
    """Return base64 text as a bcrypt salt of 22 characters. Only 2 bits of the last one count; `.` sets them to 0."""
    return text[:21] + "."


def _ports(settings: Settings) -> Mapping[int, int]:
    http, https = host_of(settings).ports(settings)
    return {http: HTTP, https: HTTPS}


SERVICE = Service(
    name="traefik",
    image="traefik:v3.7",
    user="65532:65532",
    command=("traefik", "--configfile=/run/fds/traefik.yml"),
    environment=_environment,
    secrets=("ui_password",),
    asked=lambda settings: (DNS_TOKEN,) if _by_dns(settings) else (),
    files=(
        File("traefik.yml", _static),
        File("routes.yml", _routes),
        File("users", _users),
        File("health.sh", _health),
        File(ROOT, lambda context: context.settings.certificate_root, lambda settings: bool(settings.certificate_root)),
        File(DNS_TOKEN, lambda context: context.secrets[DNS_TOKEN], _by_dns),
    ),
    volumes=(Volume("certificates", CERTIFICATES),),
    tmpfs=("/tmp",),
    published=_ports,
    metrics=Metrics(METRICS),
    resources=Resources(
        memory_mb=32,
        memory_limit_mb=128,
        cpu=0.1,
        cpu_limit=0.5,
        image_mb=320,
        measured="20 MiB at the highest sample",
    ),
    health=Health(("sh", "/run/fds/health.sh"), retries=24),
)
