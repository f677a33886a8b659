#!/usr/bin/env bash
# Starts the server; makes the cluster, the user and the database first when PGDATA is empty. A user of the official
# image sees the same: POSTGRES_USER, _PASSWORD, _DB, _INITDB_ARGS, _INITDB_WALDIR, _HOST_AUTH_METHOD (the first four
# also as NAME_FILE), and *.sh, *.sql, *.sql.gz, *.sql.xz, *.sql.zst in /docker-entrypoint-initdb.d.
set -Eeuo pipefail

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

# setting NAME DEFAULT: NAME from the environment, or from the file that NAME_FILE names; not both.
setting() {
  local name=$1 file_name="${1}_FILE"
  if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
    fail "both $name and $file_name are set"
  elif [[ -n ${!file_name:-} ]]; then
    [[ -r ${!file_name} ]] || fail "$file_name: cannot read ${!file_name}"
    export "$name"="$(<"${!file_name}")"
  else
    export "$name"="${!name:-$2}"
  fi
  unset "$file_name"
}

is_server() {
  [[ $1 == postgres ]] || return 1
  local argument
  for argument in "${@:2}"; do
    case $argument in -\? | --help | --describe-config | -V | --version) return 1 ;; esac
  done
}

prepare_directories() {
  mkdir -p "$PGDATA" /var/run/postgresql || true
  chmod 0700 "$PGDATA" || true
  chmod 3775 /var/run/postgresql || true
  [[ -z ${POSTGRES_INITDB_WALDIR:-} ]] || mkdir -p "$POSTGRES_INITDB_WALDIR"
  if ((EUID == 0)); then
    find "$PGDATA" \! -user postgres -exec chown postgres:postgres {} +
    chown postgres:postgres /var/run/postgresql || true
    [[ -z ${POSTGRES_INITDB_WALDIR:-} ]] || chown -R postgres:postgres "$POSTGRES_INITDB_WALDIR"
  fi
}

read_settings() {
  setting POSTGRES_PASSWORD ''
  setting POSTGRES_USER postgres
  setting POSTGRES_DB "$POSTGRES_USER"
  setting POSTGRES_INITDB_ARGS ''
  export POSTGRES_HOST_AUTH_METHOD=${POSTGRES_HOST_AUTH_METHOD:-}
  if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
    fail 'no password for the superuser: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE'
  fi
}

make_cluster() {
  local wal=()
  [[ -z ${POSTGRES_INITDB_WALDIR:-} ]] || wal=(--waldir "$POSTGRES_INITDB_WALDIR")
  # the arguments come from whoever starts the container, quoted as in a shell
  eval "initdb --username=\"\$POSTGRES_USER\" --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") \"\${wal[@]}\" $POSTGRES_INITDB_ARGS"
  local method=$POSTGRES_HOST_AUTH_METHOD
  [[ -n $method ]] || method=$(PGDATA=$PGDATA postgres -C password_encryption)
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

run_sql() {
  PGHOST='' PGHOSTADDR='' PGPASSWORD=$POSTGRES_PASSWORD \
    psql --variable ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"
}

make_database() {
  [[ $POSTGRES_DB == postgres ]] && return
  run_sql --dbname postgres --set name="$POSTGRES_DB" <<<'CREATE DATABASE :"name";'
}

run_first_start_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    printf '%s: %s\n' "$0" "$file"
    case $file in
      *.sh)
        if [[ -x $file ]]; then "$file"; else
          # shellcheck source=/dev/null
          . "$file"
        fi
        ;;
      *.sql) run_sql --dbname "$POSTGRES_DB" --file "$file" ;;
      *.sql.gz) gunzip --stdout "$file" | run_sql --dbname "$POSTGRES_DB" ;;
      *.sql.xz) xzcat "$file" | run_sql --dbname "$POSTGRES_DB" ;;
      *.sql.zst) zstd --decompress --stdout "$file" | run_sql --dbname "$POSTGRES_DB" ;;
      /docker-entrypoint-initdb.d/\*) ;;
      *) printf '%s: ignored\n' "$file" ;;
    esac
  done
}

first_start() {
  ls /docker-entrypoint-initdb.d/ >/dev/null
  read_settings
  make_cluster
  # no network while the cluster is half made
  PGDATA=$PGDATA pg_ctl --wait --options "-c listen_addresses='' -p ${PGPORT:-5432}" start
  make_database
  run_first_start_files
  PGDATA=$PGDATA pg_ctl --wait --mode fast stop
  unset PGPASSWORD
  printf '\nPostgreSQL is initialised and ready to start.\n\n'
}

[[ ${1:0:1} != - ]] || set -- postgres "$@"
if is_server "$@"; then
  prepare_directories
  if ((EUID == 0)); then
    exec setpriv --reuid postgres --regid postgres --init-groups "${BASH_SOURCE[0]}" "$@"
  fi
  [[ -s $PGDATA/PG_VERSION ]] || first_start "$@"
fi
exec "$@"
