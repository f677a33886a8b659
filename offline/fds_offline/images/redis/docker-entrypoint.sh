#!/bin/sh
# Starts the server as the user redis. As in the official image, a client on the container network is let in without
# `protected-mode`; a configuration file or an argument that says otherwise wins.
set -eu

case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ]; then
  if [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    exec setpriv --reuid redis --regid redis --clear-groups "$0" "$@"
  fi
  [ "$(umask)" != 0022 ] || umask 0077
  shift
  case ${1:-} in
    '' | --*) set -- --protected-mode no "$@" ;;
    *)
      if ! grep -qi '^[[:space:]]*protected-mode' "$1" 2>/dev/null; then
        file=$1
        shift
        set -- "$file" --protected-mode no "$@"
      fi
      ;;
  esac
  set -- redis-server "$@"
fi
exec "$@"
