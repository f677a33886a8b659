"""Provide the offline stand-in for the official Python language host, so that `pulumi up` can run Python programs.

It behaves like `pulumi-language-python` for `toolchain: uv`, and for a virtualenv that `Pulumi.yaml` names or that is
active. It lists the packages that a program needs, installs its dependencies, runs the program, and runs plugins and
policy packs.
"""
