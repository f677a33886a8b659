"""Define a Celery application with only the broker, so Flower and the worker's health check do not load Airflow."""

from __future__ import annotations

from pathlib import Path

from celery import Celery

BROKER_URL = Path("/run/fds/broker_url")

app = Celery(broker=BROKER_URL.read_text().strip())
