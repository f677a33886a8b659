"""`python -m tests.kit.hetzner [--servers] [--prices DIR]`: simulate Hetzner Cloud until interrupted."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from .api import HetznerAPI
from .catalogue import SNAPSHOT

parser = argparse.ArgumentParser(description="simulate Hetzner Cloud until interrupted")
parser.add_argument("--servers", action="store_true", help="play servers by containers")
parser.add_argument("--prices", type=Path, default=SNAPSHOT, help="folder with pricing.json and server_types.json")
options = parser.parse_args()
signal.signal(signal.SIGTERM, signal.default_int_handler)
with HetznerAPI(servers=options.servers, prices=options.prices) as api:
    for name, value in api.environment.items():
        print(f"export {name}={value}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("stopping", flush=True)
