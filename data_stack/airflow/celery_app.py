"""Define a Celery application with the broker only, so that Flower and the worker's health check load no Airflow."""

from __future__ import annotations

from pathlib import Path

from celery import Celery

BROKER_URL = Path("/run/fds/broker_url")

app = Celery(broker=BROKER_URL.read_text().strip())
