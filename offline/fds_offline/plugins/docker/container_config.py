"""Convert the inputs of a `Container` to the body of the request `POST /containers/create`.

The inputs for memory and shared memory are in MiB.
"""

from __future__ import annotations

import re
from typing import Any

from fds_offline.plugins.docker.common import to_labels
from fds_offline.plugins.resources import PluginError, State

MIB = 1024 * 1024
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def nanoseconds(duration: str) -> int:
    """Convert a Go duration such as `1m30s` to nanoseconds."""
    return sum(
        int(float(number) * _UNITS[unit]) for number, unit in re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", duration)
    )


def container_config(inputs: State) -> dict[str, Any]:
    """Return the body of the request that creates a container."""
    volumes, binds, volumes_from = _volumes(inputs.get("volumes", ()))
    exposed, bindings = _ports(inputs.get("ports", ()))
    command = inputs.get("command")
    if command and "" in command:
        raise PluginError("values for command may not be empty")
    config = {
        "Image": inputs["image"],
        "Hostname": inputs.get("hostname", ""),
        "Domainname": inputs.get("domainname", ""),
        "User": inputs.get("user", ""),
        "WorkingDir": inputs.get("workingDir", ""),
        "Cmd": command or None,
        "Entrypoint": inputs.get("entrypoints") or None,
        "Env": inputs.get("envs"),
        "Labels": to_labels(inputs.get("labels")),
        "Tty": inputs["tty"],
        "OpenStdin": inputs["stdinOpen"],
        "StopSignal": inputs.get("stopSignal"),
        "StopTimeout": inputs.get("stopTimeout"),
        "ExposedPorts": exposed,
        "Volumes": volumes,
        "Healthcheck": _healthcheck(inputs.get("healthcheck")),
        "HostConfig": {
            **_limits(inputs),
            **_isolation(inputs),
            **_reach(inputs),
            "Binds": binds,
            "VolumesFrom": volumes_from,
            "Mounts": [_mount(each) for each in inputs.get("mounts", ())],
            "Tmpfs": inputs.get("tmpfs"),
            "PortBindings": bindings,
            "RestartPolicy": {"Name": inputs["restart"], "MaximumRetryCount": inputs.get("maxRetryCount", 0)},
            "AutoRemove": inputs["rm"],
            "LogConfig": {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts")},
        },
    }
    return {key: value for key, value in config.items() if value is not None}


def _reach(inputs: State) -> dict[str, Any]:
    return {
        "PublishAllPorts": bool(inputs.get("publishAllPorts")),
        "NetworkMode": inputs["networkMode"],
        "ExtraHosts": [f"{each['host']}:{each['ip']}" for each in inputs.get("hosts", ())],
        "Dns": inputs.get("dns"),
        "DnsOptions": inputs.get("dnsOpts"),
        "DnsSearch": inputs.get("dnsSearches"),
    }


def _limits(inputs: State) -> dict[str, Any]:
    swap = inputs.get("memorySwap", 0)
    limits: dict[str, Any] = {
        "Memory": inputs.get("memory", 0) * MIB,
        "MemoryReservation": inputs.get("memoryReservation", 0) * MIB,
        "MemorySwap": swap * MIB if swap > 0 else swap,
        "ShmSize": inputs.get("shmSize", 0) * MIB,
        "CpuShares": inputs.get("cpuShares", 0),
        "CpusetCpus": inputs.get("cpuSet", ""),
        "Ulimits": [
            {"Name": each["name"], "Soft": each["soft"], "Hard": each["hard"]} for each in inputs.get("ulimits", ())
        ],
    }
    if inputs.get("cpus"):
        try:
            limits["NanoCpus"] = round(float(inputs["cpus"]) * 10**9)
        except ValueError:
            raise PluginError(f"cpus must be a decimal number, not '{inputs['cpus']}'") from None
    else:
        limits["CpuPeriod"] = inputs.get("cpuPeriod", 0)
        limits["CpuQuota"] = inputs.get("cpuQuota", 0)
    return limits


def _isolation(inputs: State) -> dict[str, Any]:
    capabilities = inputs.get("capabilities") or {}
    options = inputs.get("securityOpts")
    isolation: dict[str, Any] = {
        "Privileged": bool(inputs.get("privileged")),
        "ReadonlyRootfs": inputs["readOnly"],
        "CapAdd": capabilities.get("adds"),
        "CapDrop": capabilities.get("drops"),
        "SecurityOpt": options and [each for each in options if each != "systempaths=unconfined"],
        "GroupAdd": inputs.get("groupAdds"),
        "Sysctls": inputs.get("sysctls"),
        "Init": bool(inputs.get("init")),
        "IpcMode": inputs.get("ipcMode", ""),
        "PidMode": inputs.get("pidMode", ""),
        "UsernsMode": inputs.get("usernsMode", ""),
        "CgroupnsMode": inputs.get("cgroupnsMode", ""),
        "CgroupParent": inputs.get("cgroupParent", ""),
        "Runtime": inputs.get("runtime", ""),
    }
    if options and "systempaths=unconfined" in options:
        isolation |= {"MaskedPaths": [], "ReadonlyPaths": []}
    return isolation


def _healthcheck(given: State | None) -> dict[str, Any] | None:
    if not given:
        return None
    check = {
        "Test": given.get("tests", []),
        "Interval": nanoseconds(given["interval"]),
        "Timeout": nanoseconds(given["timeout"]),
        "StartPeriod": nanoseconds(given["startPeriod"]),
        "Retries": given["retries"],
    }
    interval = nanoseconds(given["startInterval"])
    return {**check, "StartInterval": interval} if interval else check


def _ports(ports: Any) -> tuple[dict[str, Any], dict[str, list[dict[str, str]]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        own = {"HostPort": str(port.get("external", 0)), "HostIp": port.get("ip", "")}
        bindings.setdefault(f"{port['internal']}/{port['protocol']}", []).append(own)
    return {key: {} for key in bindings}, bindings


def _volumes(volumes: Any) -> tuple[dict[str, Any], list[str], list[str]]:
    paths: dict[str, Any] = {}
    binds: list[str] = []
    others: list[str] = []
    for volume in volumes:
        path, other = volume.get("containerPath"), volume.get("fromContainer")
        if bool(path) == bool(other):
            raise PluginError("a volume entry needs either containerPath or fromContainer")
        if other:
            others.append(other)
            continue
        paths[path] = {}
        source = volume.get("hostPath") or volume.get("volumeName")
        if source:
            mode = ["ro" if volume.get("readOnly") else "rw", *filter(None, [volume.get("selinuxRelabel")])]
            binds.append(f"{source}:{path}:{','.join(mode)}")
    return paths, binds, others


def _mount(given: State) -> dict[str, Any]:
    mount: dict[str, Any] = {
        "Type": given["type"],
        "Target": given["target"],
        "Source": given.get("source", ""),
        "ReadOnly": bool(given.get("readOnly")),
    }
    if given["type"] == "bind" and "bindOptions" in given:
        mount["BindOptions"] = {"Propagation": given["bindOptions"].get("propagation", "")}
    if given["type"] == "volume" and "volumeOptions" in given:
        options = given["volumeOptions"]
        driver = {"Name": options.get("driverName", ""), "Options": options.get("driverOptions")}
        mount["VolumeOptions"] = {
            "NoCopy": bool(options.get("noCopy")),
            "Labels": to_labels(options.get("labels")),
            "DriverConfig": driver,
        }
    if given["type"] == "tmpfs" and "tmpfsOptions" in given:
        options = given["tmpfsOptions"]
        mount["TmpfsOptions"] = {"SizeBytes": options.get("sizeBytes", 0), "Mode": options.get("mode", 0)}
    return mount
