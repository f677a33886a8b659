"""Entry point of the Pulumi command line (`Pulumi.yaml` has `main: infra`)."""

from pulumi import RunError, get_stack, log

from infra.cost.reports.text import headline
from infra.engine.environment import deployed_project
from infra.program import main
from stack_runtime.errors import StackError

try:
    log.info(headline(main(deployed_project())))
except StackError as error:
    error.name_stack(get_stack())
    raise RunError(str(error)) from None  # the language host shows it without a traceback
