#!/bin/bash
# Starts PostgreSQL: creates the cluster if there is none, and updates roles and databases to match the services.
#
# The entrypoint of the image is not used, for two reasons. If it is killed during its first start, it treats the
# incomplete cluster as complete from then on. And it puts the superuser's password into the server's environment.
set -euo pipefail

PATH="/usr/lib/postgresql/$PG_MAJOR/bin:$PATH" # the distribution's own commands are slow wrappers in Perl
draft=$PGDATA.new
made=fds-made
passwords=/tmp/passwords
server=

say() { printf 'postgres: %s\n' "$1"; }

# This script creates a cluster under a draft name, adds a marker file, and renames it when it is complete. A cluster
# without the marker was made by the image's entrypoint: it is complete if it has databases beyond the built-in ones
# (1, 4 and 5).
has_cluster() {
  [[ -e $PGDATA/$made ]] || compgen -G "$PGDATA/base/[1-9][0-9][0-9][0-9][0-9]*" >/dev/null
}

make_cluster() {
  if [[ -e $draft ]]; then
    say "the first start was interrupted; the cluster is created again"
    rm -rf "$draft"
  fi
  if [[ -e $PGDATA ]]; then
    local aside
    aside=$PGDATA.incomplete-$(date +%s)
    say "the cluster was never finished, so it holds no data; it is kept as $aside, and a new one is created"
    mv -T "$PGDATA" "$aside"
  fi
  initdb --pgdata="$draft" --username=postgres --auth-local=peer --auth-host=scram-sha-256
  touch "$draft/$made"
  sync "$draft/$made" "$draft"
  mv -T "$draft" "$PGDATA"
  sync "$(dirname "$PGDATA")"
}

stop() {
  [[ -n $server ]] || exit 0
  kill -INT "$server"
}

rm -f "$passwords"
trap stop TERM INT
has_cluster || make_cluster
rm -f "$PGDATA/postmaster.pid" # left by a killed container; another process may have the same number now
postgres "$@" &
server=$!
until pg_isready --quiet --host=/var/run/postgresql; do
  kill -0 "$server" || exit 1
  sleep 0.2
done
# The health check logs in with these passwords, so it fails until roles and databases are complete. A statement that
# fails is not logged, for it may hold a password.
PGOPTIONS="-c log_min_error_statement=panic" \
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres --file=/run/fds/roles.sql \
  && install --mode=600 /run/fds/passwords "$passwords"
wait "$server" || true # a signal ends this wait before the server has stopped
wait "$server"
