#!/bin/bash
# Starts one part of Airflow: `start.sh PART`. The API server migrates the database first; the others wait for it.
set -euo pipefail
umask 077

airflow=/app/.venvs/airflow/bin/airflow

case $1 in
  api-server)
    # Airflow opens this file for writing, and generates and prints missing passwords. So it gets a complete copy.
    install --mode=600 /run/fds/passwords.json /tmp/passwords.json
    "$airflow" db migrate # takes a lock in PostgreSQL, so only one process migrates at a time
    "$airflow" pools set duckdb 1 "Tasks that write the DuckDB file: one at a time" >/dev/null
    exec "$airflow" api-server --proxy-headers
    ;;
  flower)
    exec /app/.venvs/airflow/bin/celery --app data_stack.airflow.celery_app flower --address=0.0.0.0 --port=5555
    ;;
esac

until python /app/data_stack/airflow/health.py migrated >/dev/null; do sleep 1; done
case $1 in
  scheduler) exec "$airflow" scheduler --skip-serve-logs ;;
  dag-processor) exec "$airflow" dag-processor ;;
  worker) exec "$airflow" celery worker --skip-serve-logs --without-gossip --without-mingle ;;
esac
echo "start.sh: there is no part $1" >&2
exit 2
