"""Offline stand-in for the official Python language host, so that plain `pulumi up` runs Python programs.

It follows `pulumi-language-python` for `toolchain: uv` and for a given or active virtual environment. It lists the
packages that a program needs, runs the program, installs its dependencies, and runs plugins and policy packs.
"""
