"""What `pulumi up` runs: the program of the installed package."""

import infra.__main__  # noqa: F401
