"""Define monthly totals calculated by hand: each case has settings, a formula, and the result in US dollars a month.

In a formula, `up` rounds up to the cent. The net prices in EUR are from the provider's list of 2026-06-15: cpx02 5.99,
cpx12 11.49, cpx22 19.49, cpx32 35.49, cpx42 69.49, ccx13 42.99; cx23 5.49 and cax11 5.99 where a case makes them
orderable; IPv4 0.50; volume 0.0572 per GB; snapshot 0.0143 per GB; traffic 1.00 per TB above 20 TB. VAT is 19 % and
the exchange rate is 1.1637 dollars per euro. For an account in dollars, the same numbers are prices in dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

V, R = "1.19", "1.1637"


@dataclass(frozen=True)
class Case:
    """A total calculated by hand; `account` overrides currency, VAT rate and orderable types of the shipped prices."""

    name: str
    settings: dict[str, Any]
    formula: str
    total_usd: str
    account: dict[str, Any] = field(default_factory=dict)


def _gross(price: str) -> str:
    return f"up({price}*{V}*{R})"


_IP, _VOLUME = _gross("0.5"), _gross("10*0.0572")
_NET_IP, _NET_VOLUME = f"up(0.5*{R})", f"up(10*0.0572*{R})"
USD: dict[str, Any] = {"currency": "USD"}
NO_VAT: dict[str, Any] = {"vat": "0.00"}


def _base(server: str) -> str:
    return f"{_gross(server)} + {_IP} + {_VOLUME}"


CASES = (
    # every orderable type at gross prices, for an account in euros
    Case("cpx02", {"serverType": "cpx02"}, _base("5.99"), "9.80"),
    Case("cpx12", {"serverType": "cpx12"}, _base("11.49"), "17.42"),
    Case("cpx22", {"serverType": "cpx22"}, _base("19.49"), "28.49"),
    Case("cpx32", {"serverType": "cpx32"}, _base("35.49"), "50.65"),
    Case("cpx42", {"serverType": "cpx42"}, _base("69.49"), "97.73"),
    Case("ccx13", {"serverType": "ccx13"}, _base("42.99"), "61.04"),
    # the same types, without cpx42, at net prices
    Case("cpx02 net", {"serverType": "cpx02", "tax": "net"}, f"up(5.99*{R}) + {_NET_IP} + {_NET_VOLUME}", "8.24"),
    Case("cpx12 net", {"serverType": "cpx12", "tax": "net"}, f"up(11.49*{R}) + {_NET_IP} + {_NET_VOLUME}", "14.64"),
    Case("cpx22 net", {"serverType": "cpx22", "tax": "net"}, f"up(19.49*{R}) + {_NET_IP} + {_NET_VOLUME}", "23.95"),
    Case("cpx32 net", {"serverType": "cpx32", "tax": "net"}, f"up(35.49*{R}) + {_NET_IP} + {_NET_VOLUME}", "42.56"),
    Case("ccx13 net", {"serverType": "ccx13", "tax": "net"}, f"up(42.99*{R}) + {_NET_IP} + {_NET_VOLUME}", "51.29"),
    # an account in dollars does not need an exchange rate
    Case("cpx22 USD", {"serverType": "cpx22"}, f"up(19.49*{V}) + up(0.5*{V}) + up(10*0.0572*{V})", "24.49", USD),
    Case("cpx32 USD", {"serverType": "cpx32"}, f"up(35.49*{V}) + up(0.5*{V}) + up(10*0.0572*{V})", "43.53", USD),
    Case("cpx22 USD net", {"serverType": "cpx22", "tax": "net"}, "up(19.49) + up(0.5) + up(10*0.0572)", "20.57", USD),
    Case("cpx42 USD net", {"serverType": "cpx42", "tax": "net"}, "up(69.49) + up(0.5) + up(10*0.0572)", "70.57", USD),
    # without VAT, gross equals net
    Case("no VAT", {"serverType": "cpx22"}, f"up(19.49*{R}) + {_NET_IP} + {_NET_VOLUME}", "23.95", NO_VAT),
    Case("no VAT, net", {"serverType": "cpx22", "tax": "net"}, f"up(19.49*{R}) + {_NET_IP} + {_NET_VOLUME}", "23.95",
         NO_VAT),
    Case("no VAT, USD", {"serverType": "cpx22"}, "up(19.49) + up(0.5) + up(10*0.0572)", "20.57", USD | NO_VAT),
    # backups cost 20 % of the price of the server alone; address and volume do not count
    Case("cpx02 backups", {"serverType": "cpx02", "backups": True},
         f"{_base('5.99')} + {_gross('20*5.99/100')}", "11.46"),
    Case("cpx22 backups", {"serverType": "cpx22", "backups": True},
         f"{_base('19.49')} + {_gross('20*19.49/100')}", "33.89"),
    Case("cpx32 backups", {"serverType": "cpx32", "backups": True},
         f"{_base('35.49')} + {_gross('20*35.49/100')}", "60.48"),
    Case("cpx22 backups net", {"serverType": "cpx22", "backups": True, "tax": "net"},
         f"up(19.49*{R}) + {_NET_IP} + {_NET_VOLUME} + up(20*19.49/100*{R})", "28.49"),
    Case("cpx22 backups USD", {"serverType": "cpx22", "backups": True},
         f"up(19.49*{V}) + up(0.5*{V}) + up(10*0.0572*{V}) + up(20*19.49*{V}/100)", "29.13", USD),
    # volumes, per GB
    Case("20 GB", {"serverType": "cpx22", "volumeGb": 20}, f"{_gross('19.49')} + {_IP} + {_gross('20*0.0572')}",
         "29.28"),
    Case("37 GB", {"serverType": "cpx22", "volumeGb": 37}, f"{_gross('19.49')} + {_IP} + {_gross('37*0.0572')}",
         "30.63"),
    Case("100 GB", {"serverType": "cpx22", "volumeGb": 100}, f"{_gross('19.49')} + {_IP} + {_gross('100*0.0572')}",
         "35.62"),
    Case("1000 GB", {"serverType": "cpx02", "volumeGb": 1000}, f"{_gross('5.99')} + {_IP} + {_gross('1000*0.0572')}",
         "88.22"),
    Case("10240 GB net", {"serverType": "cpx02", "volumeGb": 10240, "tax": "net"},
         f"up(5.99*{R}) + {_NET_IP} + up(10240*0.0572*{R})", "689.19"),
    # snapshots, per GB
    Case("40 GB of snapshots", {"serverType": "cpx22", "snapshotGb": 40}, f"{_base('19.49')} + {_gross('40*0.0143')}",
         "29.29"),
    Case("1 GB of snapshots", {"serverType": "cpx22", "snapshotGb": 1}, f"{_base('19.49')} + {_gross('1*0.0143')}",
         "28.51"),
    Case("snapshots USD", {"serverType": "cpx22", "snapshotGb": 40},
         f"up(19.49*{V}) + up(0.5*{V}) + up(10*0.0572*{V}) + up(40*0.0143*{V})", "25.18", USD),
    # off-site storage, at the price in the settings, which is net and in euros for every account
    Case("off-site", {"serverType": "cpx22", "offsiteGb": 100, "offsiteEurPerGb": "0.0038"},
         f"{_base('19.49')} + {_gross('100*0.0038')}", "29.02"),
    Case("off-site net", {"serverType": "cpx22", "offsiteGb": 100, "offsiteEurPerGb": "0.0038", "tax": "net"},
         f"up(19.49*{R}) + {_NET_IP} + {_NET_VOLUME} + up(100*0.0038*{R})", "24.40"),
    Case("off-site USD", {"serverType": "cpx22", "offsiteGb": 1000, "offsiteEurPerGb": "0.0038"},
         f"up(19.49*{V}) + up(0.5*{V}) + up(10*0.0572*{V}) + up(1000*0.0038*{V}*{R})", "29.76", USD),
    # traffic: 20 TB are included, each further TB that is started is billed
    Case("20 TB", {"serverType": "cpx22", "trafficTb": 20}, _base("19.49"), "28.49"),
    Case("21 TB", {"serverType": "cpx22", "trafficTb": 21}, f"{_base('19.49')} + {_gross('1*1')}", "29.88"),
    Case("20.01 TB", {"serverType": "cpx22", "trafficTb": "20.01"}, f"{_base('19.49')} + {_gross('1*1')}", "29.88"),
    Case("25.5 TB", {"serverType": "cpx22", "trafficTb": "25.5"}, f"{_base('19.49')} + {_gross('6*1')}", "36.80"),
    Case("30 TB net", {"serverType": "cpx22", "trafficTb": 30, "tax": "net"},
         f"up(19.49*{R}) + {_NET_IP} + {_NET_VOLUME} + up(10*1*{R})", "35.59"),
    # other locations at the same price
    Case("hel1", {"serverType": "cpx22", "location": "hel1"}, _base("19.49"), "28.49"),
    Case("anywhere", {"serverType": "cpx22", "location": "auto"}, _base("19.49"), "28.49"),
    # `auto` chooses the cheapest orderable type with room for services that reserve 2 GiB
    Case("auto", {}, _base("19.49"), "28.49"),
    Case("auto with cx23", {}, _base("5.49"), "9.11", {"orderable": ("cx23", "cpx22")}),
    Case("auto with cax11", {}, _base("5.99"), "9.80", {"orderable": ("cax11", "cpx22")}),
    Case("auto with dear ones only", {}, _base("42.99"), "61.04", {"orderable": ("ccx13", "cpx42")}),
    # all paid settings together; the case in dollars has no off-site storage
    Case("all", {"serverType": "cpx32", "backups": True, "volumeGb": 50, "snapshotGb": 20, "offsiteGb": 100,
                 "offsiteEurPerGb": "0.0038", "trafficTb": 22},
         f"{_gross('35.49')} + {_IP} + {_gross('20*35.49/100')} + {_gross('50*0.0572')} + {_gross('20*0.0143')}"
         f" + {_gross('100*0.0038')} + {_gross('2*1')}", "67.35"),
    Case("all net USD", {"serverType": "cpx32", "backups": True, "volumeGb": 50, "snapshotGb": 20, "trafficTb": 22,
                         "tax": "net"},
         "up(35.49) + up(0.5) + up(20*35.49/100) + up(50*0.0572) + up(20*0.0143) + up(2*1)", "48.24", USD),
)  # fmt: skip
