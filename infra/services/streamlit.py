"""Define the dashboard: income and spend, customers, data quality, runs, and proposed changes. It cannot deploy."""

from __future__ import annotations

from infra.services._model import Build, Health, Metrics, Resources, Route, Service, Volume, answers, secret

_POLICY = {
    # The page has one inline script. Its digest allows this script and no other.
    "script-src": "'self' 'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA='",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    # Allow frames in pages of the same origin, because the page "Models" shows the documentation of dbt in a frame.
    "frame-ancestors": "'self'",
}

SERVICE = Service(
    name="streamlit",
    image=Build("data_stack/images/streamlit/Dockerfile"),
    user="10001:10001",
    environment=lambda _: {
        "FDS_PUBLISHED": "/data/published/warehouse.duckdb",
        "FDS_POSTGRES_HOST": "postgres",
        "FDS_POSTGRES_USER": "dashboard",
        "FDS_POSTGRES_PASSWORD_FILE": "/run/fds/dashboard_password",
    },
    secrets=("dashboard_password", "agents_token"),
    files=(secret("dashboard_password"), secret("agents_token")),
    role="dashboard",
    reads=("marts",),
    volumes=(
        Volume("published", "/data/published", read_only=True),
        Volume("metrics", "/data/metrics", read_only=True, data=False),  # has the plan of the last deployment
    ),
    tmpfs=("/tmp",),
    needs=("pipeline", "postgres"),
    route=Route("dashboard", 8501, _POLICY),
    metrics=Metrics(8501, "/_stcore/metrics"),
    resources=Resources(
        memory_mb=256,
        memory_limit_mb=512,
        cpu=0.1,
        cpu_limit=1.0,
        image_mb=768,
        measured="186 MiB after one reader opened four of its pages with 200,000 rows",
    ),
    health=Health(answers(8501, "/_stcore/health"), interval_s=10, retries=12),
    stateless=True,
)
