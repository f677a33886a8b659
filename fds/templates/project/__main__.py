"""Run the Pulumi program of the installed package; `pulumi up` runs this file."""

import infra.__main__  # noqa: F401
