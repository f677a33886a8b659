"""Define a Celery application that has only a broker, so that Flower and the worker's health check need no Airflow."""

from __future__ import annotations

from pathlib import Path

from celery import Celery

BROKER_URL = Path("/run/fds/broker_url")

app = Celery(broker=BROKER_URL.read_text().strip())
