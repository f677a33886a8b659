#!/bin/sh
# Arguments alone, or a command of the proxy, start the proxy; anything else runs as it is.
set -e

case ${1:-} in
  -* | healthcheck | version) set -- traefik "$@" ;;
esac
exec "$@"
