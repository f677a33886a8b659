"""Offline stand-in for the official Python language host, so that plain `pulumi up` runs Python programs.

It follows `pulumi-language-python` for `toolchain: uv` and for a given or active virtual environment: the packages that
a program needs, running the program, installing its dependencies, running plugins and policy packs.
"""
