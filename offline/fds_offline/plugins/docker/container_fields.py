"""Define the properties of `docker:index/container:Container`: types, defaults and the effect of changes."""

from __future__ import annotations

from typing import Any

from fds_offline.plugins.docker.common import LABEL_FIELDS
from fds_offline.plugins.fields import Field, missing


def _is_empty_or_same(old: Any, new: Any) -> bool:
    return not new or old == new


def _same_ports(old: Any, new: Any) -> bool:
    """Return whether the ports are equal, in any order; a new entry without a host port matches every host port."""
    if not isinstance(old, list) or not isinstance(new, list):
        return False

    def key(port: dict[str, Any], other: list[dict[str, Any]]) -> tuple[Any, ...]:
        chosen = any(not each.get("external") and each.get("internal") == port.get("internal") for each in other)
        external = None if chosen else port.get("external")
        return port.get("internal"), external, port.get("ip") or "0.0.0.0", port.get("protocol") or "tcp"

    return {key(each, new) for each in old} == {key(each, new) for each in new}


_DURATION = r"^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$|^0$"
_PORT = {
    "internal": Field("int", required=True),
    "external": Field("int", computed=True),
    "ip": Field("string", default="0.0.0.0"),
    "protocol": Field("string", default="tcp"),
}
_MOUNT = {
    "target": Field("string", required=True),
    "source": Field("string"),
    "type": Field("string", required=True, pattern="^(bind|volume|tmpfs)$"),
    "readOnly": Field("bool"),
    "bindOptions": Field("object", {"propagation": Field("string")}),
    "volumeOptions": Field(
        "object",
        {
            "noCopy": Field("bool"),
            "labels": Field("set", LABEL_FIELDS),
            "driverName": Field("string"),
            "driverOptions": Field("map"),
            **missing("subpath"),
        },
    ),
    "tmpfsOptions": Field("object", {"sizeBytes": Field("int"), "mode": Field("int")}),
}
_VOLUME = {
    "containerPath": Field("string"),
    "fromContainer": Field("string"),
    "hostPath": Field("string", pattern=r"^/"),
    "readOnly": Field("bool"),
    "selinuxRelabel": Field("string", pattern="^[zZ]$"),
    "volumeName": Field("string"),
}
_UPLOAD = {
    "file": Field("string", required=True),
    "content": Field("string"),
    "contentBase64": Field("string"),
    "source": Field("string"),
    "sourceHash": Field("string"),
    "executable": Field("bool", default=False),
    "permissions": Field("string", pattern="^0[0-7]{3}$"),
    "owner": Field("string"),
    "group": Field("string"),
}
_HEALTHCHECK = {
    "tests": Field("list"),
    "interval": Field("string", default="0s", pattern=_DURATION),
    "timeout": Field("string", default="0s", pattern=_DURATION),
    "startPeriod": Field("string", default="0s", pattern=_DURATION),
    "startInterval": Field("string", default="0s", pattern=_DURATION),
    "retries": Field("int", default=0, minimum=0),
}
_NETWORK = {
    "name": Field("string", required=True),
    "aliases": Field("set"),
    "ipv4Address": Field("string"),
    "ipv6Address": Field("string"),
    "linkLocalIps": Field("set"),
    "macAddress": Field("string"),
    "driverOpts": Field("set"),
    **missing("gwPriority"),
}
_ULIMIT = {
    "name": Field("string", required=True),
    "soft": Field("int", required=True),
    "hard": Field("int", required=True),
}

CONTAINER_FIELDS = {
    "name": Field("string", auto_name=True, replace=True),
    "image": Field("string", required=True, replace=True),
    "command": Field("list", computed=True, replace=True),
    "entrypoints": Field("list", computed=True, replace=True),
    "envs": Field("set", computed=True, replace=True),
    "user": Field("string", replace=True, unless=_is_empty_or_same),
    "workingDir": Field("string", replace=True, unless=_is_empty_or_same),
    "hostname": Field("string", computed=True, replace=True),
    "domainname": Field("string", replace=True),
    "labels": Field("set", LABEL_FIELDS, computed=True, replace=True),
    "restart": Field("string", default="no", pattern="^(no|on-failure|always|unless-stopped)$"),
    "maxRetryCount": Field("int"),
    "memory": Field("int", minimum=0),
    "memoryReservation": Field("int", default=0, minimum=0),
    "memorySwap": Field("int", minimum=-1),
    "cpuShares": Field("int", minimum=0),
    "cpuSet": Field("string", pattern=r"^\d+([,-]\d+)*$"),
    "cpus": Field("string", replace=True),
    "cpuPeriod": Field("int", minimum=0),
    "cpuQuota": Field("int", minimum=0),
    "shmSize": Field("int", computed=True, replace=True, minimum=0),
    "networkMode": Field("string", default="bridge", replace=True),
    "networksAdvanced": Field("set", _NETWORK, replace=True),
    "ports": Field("list", _PORT, replace=True, unless=_same_ports),
    "publishAllPorts": Field("bool", replace=True),
    "hosts": Field("set", {"host": Field("string", required=True), "ip": Field("string", required=True)}, replace=True),
    "dns": Field("set", replace=True),
    "dnsOpts": Field("set", replace=True),
    "dnsSearches": Field("set", replace=True),
    "volumes": Field("set", _VOLUME, replace=True),
    "mounts": Field("set", _MOUNT, replace=True),
    "tmpfs": Field("map"),
    "uploads": Field("set", _UPLOAD, replace=True),
    "readOnly": Field("bool", default=False, replace=True),
    "privileged": Field("bool", replace=True),
    "capabilities": Field("object", {"adds": Field("set"), "drops": Field("set")}, replace=True),
    "securityOpts": Field("set", computed=True, replace=True),
    "groupAdds": Field("set", replace=True),
    "ulimits": Field("set", _ULIMIT, replace=True),
    "sysctls": Field("map", replace=True),
    "init": Field("bool", computed=True),
    "ipcMode": Field("string", computed=True, replace=True),
    "pidMode": Field("string", replace=True),
    "usernsMode": Field("string", replace=True),
    "cgroupnsMode": Field("string", replace=True, pattern="^(private|host|)$"),
    "cgroupParent": Field("string", replace=True),
    "runtime": Field("string", computed=True, replace=True),
    "platform": Field("string", computed=True, replace=True),
    "stopSignal": Field("string", computed=True, replace=True),
    "stopTimeout": Field("int", computed=True, replace=True),
    "destroyGraceSeconds": Field("int"),
    "removeVolumes": Field("bool", default=True),
    "rm": Field("bool", default=False),
    "tty": Field("bool", default=False, replace=True),
    "stdinOpen": Field("bool", default=False, replace=True),
    "logDriver": Field("string", computed=True, replace=True),
    "logOpts": Field("map", replace=True),
    "healthcheck": Field("object", _HEALTHCHECK, computed=True),
    "start": Field("bool", default=True),
    "wait": Field("bool", default=False),
    "waitTimeout": Field("int", default=60),
    "mustRun": Field("bool", default=True),
    "attach": Field("bool", default=False),
    "logs": Field("bool", default=False),
    "containerReadRefreshTimeoutMilliseconds": Field("int", default=15000),
    "bridge": Field("string", output=True),
    "containerLogs": Field("string", output=True),
    "exitCode": Field("int", output=True),
    "networkDatas": Field("list", output=True),
    **missing(
        *("deviceCgroupRules", "deviceReadBps", "deviceReadIops", "deviceRequests", "deviceWriteBps"),
        *("deviceWriteIops", "devices", "gpus", "storageOpts"),
    ),
}
