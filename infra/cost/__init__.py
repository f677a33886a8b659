"""Plan cost and capacity; no other package contains prices or calculates the cost of a plan.

    settings, services, prices, rate, today ──► plan ──► gate

`plan` is pure. `PlanningInputs` fetches its inputs. The program, the commands and the agents plan with
`PlanningInputs`; before a deployment, `gate` checks the plan. The policy pack fetches the same inputs, adds up
the prices of the resources that are really registered, and calls the planner's `judge` for the verdict.
"""

from infra.cost.gate import gate
from infra.cost.planning.capacity import Machine
from infra.cost.planning.choice import Deployed
from infra.cost.planning.model import Fx as Rate
from infra.cost.planning.model import Plan
from infra.cost.planning.plan import plan
from infra.cost.planning.prices import PriceList

__all__ = ["Deployed", "Machine", "Plan", "PriceList", "Rate", "gate", "plan"]
