"""Provide stand-ins for Pulumi plugins, for machines that cannot download the official plugins."""

MODULES = {
    "pulumi-resource-docker": "fds_offline.plugins.docker",
    "pulumi-resource-hcloud": "fds_offline.plugins.hcloud",
    "pulumi-language-python": "fds_offline.plugins.language",
}
"""The modules that replace the plugins, by the name of the plugin's program on PATH."""

_MESSAGE_BYTES = 400 * 1024 * 1024
GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
]
"""gRPC options that set the maximum size of a message; Pulumi's SDK sets the same limits."""
