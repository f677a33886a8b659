"""Define the properties of the docker provider and of its resources `Network`, `Volume` and `RemoteImage`."""

from __future__ import annotations

from fds_offline.plugins.docker.common import LABELS
from fds_offline.plugins.fields import Field, missing

CONFIG = {
    "host": Field("string"),
    "sshOpts": Field("string"),
    "certPath": Field("string"),
    "context": Field("string"),
    "disableDockerDaemonCheck": Field("string"),
    **missing("caMaterial", "certMaterial", "keyMaterial", "registryAuth"),
}
_BUILD = {
    "context": Field("string", required=True),
    "dockerfile": Field("string", default="Dockerfile"),
    "tags": Field("list"),
    "buildArgs": Field("map"),
    "label": Field("map"),
    "labels": Field("map"),
    "target": Field("string"),
    "platform": Field("string"),
    "networkMode": Field("string"),
    "noCache": Field("bool"),
    "pullParent": Field("bool"),
    "remove": Field("bool", default=True),
    "forceRemove": Field("bool"),
    "cacheFroms": Field("list"),
    "extraHosts": Field("list"),
    "shmSize": Field("int"),
    "useLegacyBuilder": Field("bool", default=False),
    **missing(
        *("additionalContexts", "authConfigs", "buildId", "buildLogFile", "builder", "cacheTos", "cgroupParent"),
        *("cpuPeriod", "cpuQuota", "cpuSetCpus", "cpuSetMems", "cpuShares", "isolation", "memory", "memorySwap"),
        *("provenance", "remoteContext", "sbom", "secrets", "securityOpts", "sessionId", "squash"),
        *("suppressOutput", "ulimits", "version"),
    ),
}
NETWORK = {
    "name": Field("string", auto_name=True, replace=True),
    "labels": LABELS,
    "driver": Field("string", computed=True, replace=True),
    "options": Field("map", computed=True, replace=True),
    "internal": Field("bool", computed=True, replace=True),
    "attachable": Field("bool", replace=True),
    "ingress": Field("bool", replace=True),
    "ipv6": Field("bool", replace=True),
    "ipamDriver": Field("string", default="default", replace=True),
    "ipamOptions": Field("map", replace=True),
    "ipamConfigs": Field(
        "set",
        {
            "subnet": Field("string"),
            "ipRange": Field("string"),
            "gateway": Field("string"),
            "auxAddress": Field("map"),
        },
        computed=True,
        replace=True,
    ),
    "scope": Field("string", output=True),
}

VOLUME = {
    "name": Field("string", auto_name=True, computed=True, replace=True),
    "labels": LABELS,
    "driver": Field("string", computed=True, replace=True),
    "driverOpts": Field("map", replace=True),
    "mountpoint": Field("string", output=True),
    **missing("cluster"),
}

REMOTE_IMAGE = {
    "name": Field("string", required=True, replace=True),
    "build": Field("object", _BUILD, replace=True),
    "forceRemove": Field("bool"),
    "keepLocally": Field("bool"),
    "platform": Field("string", replace=True),
    "pullTriggers": Field("set", replace=True),
    "triggers": Field("map", replace=True),
    "imageId": Field("string", output=True),
    "repoDigest": Field("string", output=True),
}
