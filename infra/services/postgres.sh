#!/bin/bash
# Starts PostgreSQL: makes the cluster where there is none, and brings roles and databases in line with the services.
#
# The entrypoint of the image is not used. Killed in its first start it takes a half-made cluster for a finished one for
# ever after, and it puts the superuser's password into the environment of the server.
set -euo pipefail

PATH="/usr/lib/postgresql/$PG_MAJOR/bin:$PATH" # the distribution's own commands are slow wrappers in Perl
draft=$PGDATA.new
made=fds-made
passwords=/tmp/passwords
server=

say() { printf 'postgres: %s\n' "$1"; }

# A cluster of ours gets its name only when it is complete, and holds a mark. One without the mark was made by the
# image's entrypoint: databases beyond the built-in ones (1, 4 and 5) prove that its first start came to its end.
has_cluster() {
  [[ -e $PGDATA/$made ]] || compgen -G "$PGDATA/base/[1-9][0-9][0-9][0-9][0-9]*" >/dev/null
}

make_cluster() {
  if [[ -e $draft ]]; then
    say "the first start was interrupted; the cluster is made anew"
    rm -rf "$draft"
  fi
  if [[ -e $PGDATA ]]; then
    local aside
    aside=$PGDATA.incomplete-$(date +%s)
    say "the cluster was never finished, so no data is in it; it is kept as $aside and made anew"
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
rm -f "$PGDATA/postmaster.pid" # of a killed container: no process of it lives, but another may have its number now
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
wait "$server" || true # a signal ends this one
wait "$server"
