"""Code that runs on the machine of the user and in the containers of the stack."""

import os

# Switch off gRPC's support for forks. Otherwise, gRPC runs code of its own in each process that Python forks, until the
# process starts its program. This code can close the pipes of `ssh`, which the Docker SDK starts for a remote daemon.
# Then the connection fails at random. gRPC reads the variable when Pulumi's SDK imports it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
