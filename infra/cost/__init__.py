"""Plan cost and capacity; no other package contains prices or calculates the cost of a plan.

    settings, services, prices, rate, today ──► plan ──► gate

`plan` is pure. `PlanningInputs` fetches its inputs. The program, the policy pack, the commands and the agents all
plan with `PlanningInputs` and check the plan with `gate`.
"""

from infra.cost.gate import gate
from infra.cost.planning.capacity import Machine
from infra.cost.planning.choice import Deployed
from infra.cost.planning.model import Fx as Rate
from infra.cost.planning.model import Plan
from infra.cost.planning.plan import plan
from infra.cost.planning.prices import PriceList

__all__ = ["Deployed", "Machine", "Plan", "PriceList", "Rate", "gate", "plan"]
