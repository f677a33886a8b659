"""Entry point of the Pulumi command line (`Pulumi.yaml` has `main: infra`)."""

from infra.program import main

main()
