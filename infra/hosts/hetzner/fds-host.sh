#!/bin/sh
# Everything that the deploy user may do as root on the server, and nothing else.
set -eu
device=/dev/disk/by-id/scsi-0HC_Volume_@VOLUME_ID@
data=/mnt/data
volumes=/var/lib/docker/volumes
key=/etc/ssh/ssh_host_ed25519_key
packages="@PACKAGES@"
tries=12
pause=20

mount_data() { # waits for the device, because a volume is attached after the server is created
  for _ in $(seq 300); do [ -e "$device" ] && break; sleep 1; done
  [ -e "$device" ] || { echo "the data volume did not appear as $device" >&2; exit 1; }
  mkdir -p "$data" "$volumes"
  mountpoint -q "$data" || mount -t ext4 -o discard,noatime "$device" "$data"
  mkdir -p "$data/volumes"
  mountpoint -q "$volumes" || mount --bind "$data/volumes" "$volumes"
}

apt() { # keeps the configuration files that cloud-init wrote; fails if any index cannot be fetched
  apt-get -qy -o APT::Update::Error-Mode=any -o Acquire::Retries=0 -o Acquire::http::Timeout=20 \
    -o DPkg::Lock::Timeout=60 -o Dpkg::Options::=--force-confold "$@"
}

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}\n' $packages 2>/dev/null | grep -c '^ii')" -eq "$(echo $packages | wc -w)" ] &&
    command -v docker >/dev/null
}

install_client() { # since Debian 13, the command `docker` is a separate package, which docker.io only recommends
  command -v docker >/dev/null || apt install docker-cli
}

install_packages() { # a mirror may fail for minutes, so this repeats
  export DEBIAN_FRONTEND=noninteractive
  for try in $(seq "$tries"); do
    installed && return 0
    [ "$try" = 1 ] || sleep "$pause"
    dpkg --configure -a && apt update && apt install $packages && install_client && return 0
    echo "packages cannot be installed, try $try of $tries" >&2
  done
  exit 1
}

grow() { # enlarge the file system, unless at most one block group of the volume is unused
  header=$(dumpe2fs -h "$device" 2>/dev/null)
  count=$(echo "$header" | sed -n 's/^Block count: *//p')
  block=$(echo "$header" | sed -n 's/^Block size: *//p')
  missing=$(($(blockdev --getsize64 "$device") - count * block))
  [ "$missing" -le $((block * 8 * block)) ] || resize2fs "$device"
}

guard_metadata() { # blocks the metadata service, because it would show the server's user data to containers
  iptables -C DOCKER-USER -d 169.254.169.254 -j DROP 2>/dev/null || iptables -I DOCKER-USER -d 169.254.169.254 -j DROP
}

case "${1-}" in
  boot)
    install_packages
    if [ -d /run/systemd/system ]; then
      systemctl daemon-reload
      systemctl restart ssh
      systemctl restart zramswap || true # the server also works with a kernel without zram
      systemctl enable docker
      systemctl restart docker
    else
      mount_data
      service ssh restart
      service docker restart
      guard_metadata
    fi
    ;;
  mount) mount_data ;;
  guard) guard_metadata ;;
  grow) grow ;;
  measure) fds-container-metrics install 2>&1 ;;
  host-key) # replace the boot host key by the permanent one from standard input
    umask 077
    cat > "$key.new"
    ssh-keygen -y -f "$key.new" > "$key.pub"
    mv "$key.new" "$key"
    if [ -d /run/systemd/system ]; then systemctl reload ssh; else service ssh reload; fi
    ;;
  boot-log) tail -n 30 /var/log/cloud-init-output.log ;;
  *) echo "usage: fds-host boot|mount|guard|grow|measure|host-key|boot-log" >&2; exit 2 ;;
esac
