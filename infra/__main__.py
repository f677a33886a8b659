"""Program that plain `pulumi` commands run, because `Pulumi.yaml` has `main: infra`."""

from pulumi import RunError, get_stack, log
from pulumi.runtime import is_dry_run

from infra.cost.reports.text import headline
from infra.engine.environment import deployed_project
from infra.engine.identity import EngineState
from infra.program import main
from stack_runtime.errors import StackError

try:
    project = deployed_project()
    owner = EngineState(project, get_stack(), {}).owner(write=not is_dry_run())
    log.info(headline(main(project, owner=owner)))
except StackError as error:
    error.name_stack(get_stack())
    raise RunError(str(error)) from None  # the language host prints this error without a traceback
