"""Convert the daemon's description of a container to the state that the official provider records."""

from __future__ import annotations

from typing import Any

from fds_offline.plugins.docker.common import from_labels
from fds_offline.plugins.docker.container_config import MIB
from fds_offline.plugins.resources import State

_UNREAD = (
    *("envs", "labels", "start", "wait", "waitTimeout", "mustRun", "attach", "logs", "uploads", "volumes"),
    *("networksAdvanced", "destroyGraceSeconds", "removeVolumes", "containerLogs", "cpuPeriod", "cpuQuota"),
    *("cgroupnsMode", "cgroupParent", "containerReadRefreshTimeoutMilliseconds", "exitCode"),
)
"""Properties that keep their recorded value instead of a value from the daemon.

The daemon does not return some of them; to others, such as `labels`, it adds values of the image. Exceptions, which are
read from the daemon: `networksAdvanced` on an import, and `exitCode` and `mustRun` of a stopped container."""


def container_state(found: dict[str, Any], known: State) -> State:
    """Return the state of an inspected container.

    `known` is the recorded state: after a creation, the inputs; on an import, an empty state.
    """
    config, host, network = found["Config"], found["HostConfig"], found["NetworkSettings"]
    running = found["State"]["Running"]
    state: State = {key: known[key] for key in _UNREAD if key in known}
    if not running:
        state["exitCode"] = found["State"]["ExitCode"]
        if known.get("mustRun"):
            state["mustRun"] = False
    if not known:
        state["networksAdvanced"] = [_attached(name, each) for name, each in (network["Networks"] or {}).items()]
    if known.get("ports"):
        real = running or known.get("mustRun")
        state["ports"] = _ports(network.get("Ports") or {}) if real else known["ports"]
    return {
        **state,
        "id": found["Id"],
        "name": found["Name"].lstrip("/"),
        "image": found["Image"] if str(known.get("image", "")).startswith("sha256:") else config["Image"],
        "bridge": network.get("Bridge", ""),
        "networkDatas": [_network_data(name, each) for name, each in sorted((network["Networks"] or {}).items())],
        **_process(config, host, known),
        **_limits(host, known),
        **_isolation(host, known),
        **_surroundings(host, known),
    }


def _process(config: dict[str, Any], host: dict[str, Any], known: State) -> State:
    return {
        "hostname": config["Hostname"],
        "domainname": config["Domainname"],
        "command": config["Cmd"] or [],
        "entrypoints": config["Entrypoint"] or [],
        "user": config["User"],
        "workingDir": config["WorkingDir"],
        "tty": config["Tty"],
        "stdinOpen": config["OpenStdin"],
        "stopSignal": config.get("StopSignal", ""),
        "stopTimeout": config.get("StopTimeout") or 0,
        "restart": host["RestartPolicy"]["Name"],
        "maxRetryCount": host["RestartPolicy"]["MaximumRetryCount"],
        "rm": host["AutoRemove"],
        "init": bool(host.get("Init")),
        "healthcheck": _healthcheck(config.get("Healthcheck")),
        "logDriver": host["LogConfig"]["Type"],
        "logOpts": host["LogConfig"]["Config"] if known.get("logOpts") else {},
    }


def _limits(host: dict[str, Any], known: State) -> State:
    swap = host["MemorySwap"]
    return {
        "memory": host["Memory"] // MIB,
        "memoryReservation": host["MemoryReservation"] // MIB,
        "memorySwap": swap // MIB if swap > 0 else swap,
        "shmSize": host["ShmSize"] // MIB,
        "cpuShares": host["CpuShares"],
        "cpuSet": host["CpusetCpus"],
        "cpus": _cpus(host["NanoCpus"]) if host["NanoCpus"] else known.get("cpus"),
        "ulimits": (
            [{"name": each["Name"], "soft": each["Soft"], "hard": each["Hard"]} for each in host["Ulimits"] or ()]
            if known.get("ulimits")
            else []
        ),
    }


def _cpus(nano: int) -> str:
    """Format a number of cores as the official provider does, even if the program wrote it in another way.

    For example, 1 becomes 1.0. The official provider writes 0.01 as 0.0, so this function does so too.

    Args:
        nano: the number in billionths of a core.
    """
    text = f"{nano / 10**9:.9f}"
    return f"{nano / 10**9:.1f}" if text.count("0") == 9 else text.rstrip("0")


def _isolation(host: dict[str, Any], known: State) -> State:
    state: State = {
        "readOnly": host["ReadonlyRootfs"],
        "privileged": host["Privileged"],
        "securityOpts": host["SecurityOpt"] or [],
        "groupAdds": host["GroupAdd"] or [],
        "sysctls": host.get("Sysctls") or {},
        "ipcMode": host["IpcMode"],
        "usernsMode": host["UsernsMode"],
        "runtime": host["Runtime"],
        "platform": "",
    }
    if known.get("pidMode"):
        state["pidMode"] = host["PidMode"]
    if "systempaths=unconfined" in (known.get("securityOpts") or ()):
        state["securityOpts"] = [*state["securityOpts"], "systempaths=unconfined"]
    if host["CapAdd"] or host["CapDrop"]:
        # Like the official plugin, record capabilities by the names that the daemon returns, such as CAP_CHOWN. If the
        # program has CHOWN instead, the next preview shows a change.
        state["capabilities"] = {"adds": host["CapAdd"] or [], "drops": host["CapDrop"] or []}
    return state


def _surroundings(host: dict[str, Any], known: State) -> State:
    return {
        "publishAllPorts": host["PublishAllPorts"],
        "networkMode": host["NetworkMode"],
        "dns": host["Dns"] or [],
        "dnsOpts": host["DnsOptions"] or [],
        "dnsSearches": host["DnsSearch"] or [],
        "hosts": [
            dict(zip(("host", "ip"), each.split(":", maxsplit=1), strict=True)) for each in host["ExtraHosts"] or ()
        ],
        "tmpfs": host.get("Tmpfs") or {},
        "mounts": [_mount(each, known) for each in host.get("Mounts") or ()],
    }


def _healthcheck(real: dict[str, Any] | None) -> State | None:
    """Return the health check.

    Like the official provider, write durations as Go does, even if the program wrote them in another way.
    """
    if not real:
        return None
    state: State = {"tests": real.get("Test") or [], "retries": real.get("Retries", 0)}
    for key in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        state[key[0].lower() + key[1:]] = _duration(real.get(key, 0))
    return state


def _duration(nano: int) -> str:
    """Return nanoseconds as Go writes a duration, such as `1m30s` or `500ms`."""
    if nano == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if nano < size * 1000:
            return _decimal(nano, size) + unit
    minutes, rest = divmod(nano, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    return text + (f"{minutes}m" if hours or minutes else "") + _decimal(rest, 10**9) + "s"


def _decimal(amount: int, size: int) -> str:
    """Return `amount / size` without zeros at the end; `size` is a power of ten."""
    whole, rest = divmod(amount, size)
    decimals = str(size + rest)[1:].rstrip("0")
    return f"{whole}.{decimals}" if decimals else str(whole)


def _ports(ports: dict[str, Any]) -> list[State]:
    return [
        {
            "internal": int(key.split("/")[0]),
            "external": int(binding["HostPort"]),
            "ip": binding["HostIp"],
            "protocol": key.split("/")[1],
        }
        for key, bindings in sorted(ports.items(), key=lambda item: int(item[0].split("/")[0]))
        for binding in bindings or ()
    ]


def _mount(real: dict[str, Any], known: State) -> State:
    mount: State = {
        "type": real["Type"],
        "target": real["Target"],
        "source": real.get("Source", ""),
        "readOnly": real.get("ReadOnly", False),
    }
    asked: State = next((each for each in known.get("mounts") or () if each.get("target") == real["Target"]), {})
    if "BindOptions" in real:
        mount["bindOptions"] = {"propagation": real["BindOptions"].get("Propagation", "")}
    if "VolumeOptions" in real and "volumeOptions" in asked:
        options = real["VolumeOptions"]
        driver = options.get("DriverConfig") or {}
        mount["volumeOptions"] = {
            "noCopy": options.get("NoCopy", False),
            "labels": from_labels(options.get("Labels")),
            "driverName": driver.get("Name", ""),
            "driverOptions": driver.get("Options") or {},
        }
    if "TmpfsOptions" in real:
        options = real["TmpfsOptions"]
        mount["tmpfsOptions"] = {"sizeBytes": options.get("SizeBytes", 0), "mode": options.get("Mode", 0)}
    return mount


def _attached(name: str, endpoint: dict[str, Any]) -> State:
    return {"name": endpoint.get("NetworkID") or name, "aliases": endpoint.get("Aliases") or []}


def _network_data(name: str, endpoint: dict[str, Any]) -> State:
    return {
        "networkName": name,
        "ipAddress": endpoint["IPAddress"],
        "ipPrefixLength": endpoint["IPPrefixLen"],
        "gateway": endpoint["Gateway"],
        "globalIpv6Address": endpoint["GlobalIPv6Address"],
        "globalIpv6PrefixLength": endpoint["GlobalIPv6PrefixLen"],
        "ipv6Gateway": endpoint["IPv6Gateway"],
        "macAddress": endpoint["MacAddress"],
    }
