"""Plan cost and capacity; no other package knows prices.

    settings, services, prices, rate, today ──► plan ──► gate

`plan` is pure. `decide.Basis` fetches its inputs. The program, the policy pack, the commands and the agents all plan
with `Basis` and check the plan with `gate`.
"""

from infra.cost.capacity import Machine
from infra.cost.choice import Deployed
from infra.cost.gate import gate
from infra.cost.model import Fx as Rate
from infra.cost.model import Plan
from infra.cost.prices import PriceList
from infra.cost.whole import plan

__all__ = ["Deployed", "Machine", "Plan", "PriceList", "Rate", "gate", "plan"]
