#!/bin/sh
# What fds does as root on a server that its owner already has. Output is for a person.
#
#   prepare KEY DAEMON PORTS STACK   install Docker if it is missing, then let KEY log in as the deploy user
#   measure PROGRAM                  install this program, which measures the containers, and its timer
#   leave KEY                        remove KEY; after the last key, also remove the user and the SSH settings
#
# Docker stays, because data volumes are in it. An existing Docker, firewall, user or SSH login is not changed.
set -eu
verb=$1 key=$2
program=/usr/local/sbin/fds-container-metrics
state=/var/lib/fds
sshd=/etc/ssh/sshd_config.d/10-fds.conf
home=/home/deploy

fail() { echo "$1" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "this needs root"

wait_for_docker() {
  for _ in $(seq 60); do docker version >/dev/null 2>&1 && return; sleep 1; done
  fail "Docker is installed and does not start; see systemctl status docker"
}

refuse_taken() { # refuse ports that are taken by anything except a container of this stack
  for port in $1; do
    docker ps --quiet --filter "label=fds.stack=$2" --filter "publish=$port" 2>/dev/null | grep -q . && continue
    other=$(docker ps --format '{{.Names}}' --filter "publish=$port" 2>/dev/null | head -n 1)
    [ -z "$other" ] || fail "port $port is taken by the container $other; stop that"
    ! ss -Hltn "sport = :$port" 2>/dev/null | grep -q . || fail "port $port is taken by another program; stop that"
  done
}

install_docker() { # with the settings of a server that fds orders, because nothing else uses this Docker yet
  command -v apt-get >/dev/null || fail "Docker is missing, and fds can install it only on Debian and Ubuntu: install Docker"
  echo "installing Docker from the distribution's packages"
  touch "$state/installing" # the next run finishes a killed installation
  mkdir -p /etc/docker /etc/systemd/system/docker.service.d
  [ -e /etc/docker/daemon.json ] || printf '%s\n' "$1" > /etc/docker/daemon.json
  cat > /etc/systemd/system/docker.service.d/10-fds.conf <<'END'
[Service]
# Containers cannot read the provider's metadata service.
ExecStartPost=/bin/sh -c 'iptables -C DOCKER-USER -d 169.254.169.254 -j DROP 2>/dev/null || iptables -I DOCKER-USER -d 169.254.169.254 -j DROP'
END
  export DEBIAN_FRONTEND=noninteractive
  for _ in $(seq 60); do dpkg --configure -a >/dev/null 2>&1 && break; sleep 5; done # other programs may be installing packages
  apt-get -qq -o DPkg::Lock::Timeout=300 update
  apt-get -qq -y -o DPkg::Lock::Timeout=300 install docker.io >/dev/null
  # Since Debian 13, the command `docker` is a separate package.
  command -v docker >/dev/null || apt-get -qq -y -o DPkg::Lock::Timeout=300 install docker-cli >/dev/null
  systemctl enable --now docker 2>/dev/null || service docker start 9>&-
  rm "$state/installing"
}

# Allow many SSH connections, because each Docker connection needs one. Refuse passwords of the deploy user.
limit_ssh() {
  [ -d "${sshd%/*}" ] || return 0
  cat > "$sshd.new" <<'END'
# Written by fds; fds down removes it.
MaxStartups 100:30:200
MaxSessions 100
Match User deploy
    PasswordAuthentication no
    KbdInteractiveAuthentication no
Match all
END
  if cmp -s "$sshd.new" "$sshd"; then rm "$sshd.new"; return 0; fi
  mv "$sshd.new" "$sshd"
  mkdir -p /run/sshd
  if sshd -t; then reload_ssh; else rm "$sshd"; echo "the SSH server does not accept $sshd, so it is left as it was"; fi
}

reload_ssh() { systemctl reload ssh 2>/dev/null || systemctl reload sshd 2>/dev/null || service ssh reload 9>&-; }

# Print which protections this server lacks, compared with one that fds orders. Only the server's owner may change them.
report() {
  if sshd -T 2>/dev/null | grep -q '^passwordauthentication yes'; then
    echo "left as it is: the SSH server accepts passwords (PasswordAuthentication)"
  fi
  if ! grep -rqs '^APT::Periodic::Unattended-Upgrade "1"' /etc/apt/apt.conf.d; then
    echo "left as it is: security updates are not installed by themselves (package unattended-upgrades)"
  fi
  if [ ! -e /etc/systemd/system/docker.service.d/10-fds.conf ]; then
    echo "left as it is: Docker's own settings; containers may reach a metadata service at 169.254.169.254"
  fi
}

# This script keeps running after its deployment was killed; the script of the next deployment waits for its end.
exec 9>/run/fds.lock
flock -w 600 9 || fail "another deployment has been preparing this server for 10 minutes"

case "$verb" in
  prepare)
    if id deploy >/dev/null 2>&1 && [ ! -e "$state/user" ]; then
      fail "there is a user deploy already, which is not from fds: rename it, or use another server"
    fi
    refuse_taken "$4" "$5"
    mkdir -p "$state"
    if [ -e "$state/installing" ] || ! command -v docker >/dev/null; then install_docker "$3"; fi
    docker version >/dev/null 2>&1 || systemctl start docker 2>/dev/null || service docker start 9>&-
    wait_for_docker
    limit_ssh
    touch "$state/user"
    # The shell of the deploy user reads no start-up files, because their output would break Docker's connection.
    id deploy >/dev/null 2>&1 || useradd --create-home --home-dir "$home" --shell /bin/sh --password '*' deploy
    usermod --append --groups docker deploy
    # The key is added last, so that everything else is in place when the deploy user can log in.
    install -d -m 700 -o deploy -g deploy "$home/.ssh"
    touch "$home/.ssh/authorized_keys"
    grep -qxF "$key" "$home/.ssh/authorized_keys" || echo "$key" >> "$home/.ssh/authorized_keys"
    chown deploy:deploy "$home/.ssh/authorized_keys"
    chmod 600 "$home/.ssh/authorized_keys"
    report
    ;;
  measure)
    if [ ! -x /usr/bin/python3 ] || [ ! -d /run/systemd/system ]; then
      echo "left as it is: without python3 and systemd, containers are not measured"
      exit 0
    fi
    mkdir -p "${program%/*}"
    printf '%s' "$2" > "$program.new"
    chmod 755 "$program.new"
    mv "$program.new" "$program"
    "$program" install
    ;;
  leave)
    [ -e "$state/user" ] || exit 0
    keys="$home/.ssh/authorized_keys"
    if [ -e "$keys" ] && grep -vxF "$key" "$keys" > "$state/keys"; then # the key of another stack remains
      cat "$state/keys" > "$keys"
      rm "$state/keys"
      exit 0
    fi
    userdel --force --remove deploy >/dev/null 2>&1 || ! id deploy >/dev/null 2>&1
    rm -f "$sshd"
    reload_ssh
    [ ! -e "$program" ] || "$program" remove
    rm -rf "$state"
    ;;
  *) fail "usage: prepare KEY DAEMON PORTS STACK, measure PROGRAM, or leave KEY" ;;
esac
