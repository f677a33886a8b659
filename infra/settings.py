"""Define and check the settings of a stack: all that `Pulumi.<stack>.yaml` may contain, except secrets.

The keys in the stack file are camelCase under the project's namespace, for example
`freelancer-data-stack:budgetUsd: "50"`. The model is frozen; a change is a new `Settings`.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel

from infra import setting_errors as errors
from infra import setting_types as types

_CERTIFICATES = r"(\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+"


@dataclass(frozen=True)
class Scale:
    """Metadata of a setting that `fds scale`, agents and the dashboard may change.

    Args:
        label: short name with the unit, such as "Data volume in GB".
        help: what a user should know before a change; empty when the label says enough.
        key: what `fds scale` takes before the dot, such as `memory`; empty if it takes the key in the stack file.
    """

    label: str
    help: str = ""
    key: str = ""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class ServiceOverride(_Frozen):
    """Changed reservations of one service. `memory_mb` is in MiB; the memory limit changes in proportion to it."""

    memory_mb: Annotated[
        Annotated[int, Field(ge=16, le=1_048_576), types.Plain] | None,
        Scale("Memory of a service in MiB", "what it reserves; its limit follows in proportion", "memory"),
    ] = None
    cpu: Annotated[
        Annotated[float, Field(ge=0.05, le=64, allow_inf_nan=False), types.Plain] | None,
        Scale("Cores of a service", "what it reserves, in hundredths; a lower limit rises to it", "cpu"),
    ] = None


class ServerPrice(_Frozen):
    """Price of a server that the user already has, as the user states it."""

    amount: types.Money
    currency: Literal["EUR", "USD"]
    tax: Literal["gross", "net"]
    per: Literal["hour", "month", "year"]
    date: types.Day
    """The day on which the price was looked up."""


class Email(_Frozen):
    """Recipient, sender and mail server. The password of `user` on this server is the secret `smtp_password`."""

    to: types.MailAddress
    sender: types.MailAddress
    server: types.Domain
    """Name or IPv4 address of the SMTP server."""
    port: types.Port = 587
    user: Annotated[str, Field(max_length=254, pattern=r"^[^\s{}]*$")] = ""
    require_tls: types.Flag = True
    """Whether an SMTP server that offers no TLS is refused."""

    @model_validator(mode="after")
    def _password_needs_tls(self) -> Email:
        if self.user and not self.require_tls:
            raise ValueError("a login needs requireTls, because the password would be sent in plain text")
        return self


class Notify(_Frozen):
    """Receivers of alerts and of Airflow's messages about runs; none by default."""

    email: Email | None = None
    slack: types.Flag = False
    """Whether to post to the Slack webhook in the secret `slack_url`."""
    webhook: types.Flag = False
    """Whether to post JSON to the URL in the secret `webhook_url`."""


class Settings(_Frozen):
    """Settings of one stack. A quantity has its unit in its name, such as `volume_gb`; the provider defines a GB."""

    stack: types.Name
    host: Literal["local", "hetzner", "ssh"] = "local"
    profiles: Annotated[tuple[types.Name, ...], Scale("Profiles", "the groups of services that run")] = ("lean",)
    """Profiles whose services run. `lean` is always on; `full` stands for every profile of the catalogue."""

    budget_usd: types.Budget = Decimal("50")
    budget_group: types.Name = "default"
    """Name of the stack's budget group; all stacks of a group share one budget."""
    tax: Literal["gross", "net"] = "gross"
    fx_rate: types.Rate | None = None
    """US dollars for one euro, with its date in `fx_date`; without this rate, the ECB's published rate is used."""
    fx_date: types.Day | None = None
    allow_snapshot: types.Flag = False
    """Whether a plan may use prices or a rate that are older than allowed; every report of such a plan says so."""

    server_type: Annotated[
        types.ProviderCode,
        Scale(
            "Server type", "a type of the provider, or `auto` for the cheapest that fits; it sets the server's cores"
        ),
    ] = "auto"
    location: Annotated[
        types.ProviderCode,
        Scale("Location", "a place of the provider, or `auto` for the cheapest; an existing server cannot move"),
    ] = "fsn1"
    backups: Annotated[types.Flag, Scale("Backups", "the provider's copies of the server's disk")] = False
    volume_gb: Annotated[types.VolumeGb, Scale("Data volume in GB", "it can only grow")] = 10
    snapshot_gb: Annotated[int, Field(ge=0, le=10_240), types.Plain] = 0
    offsite_gb: Annotated[int, Field(ge=0, le=102_400), types.Plain] = 0
    offsite_eur_per_gb: types.Money | None = None
    """Net price of a GB of off-site backup space a month; needed as soon as `offsite_gb` is above 0."""
    traffic_tb: Annotated[Decimal, Field(ge=0, le=10_000, max_digits=12, allow_inf_nan=False), types.Plain] = Decimal(1)
    """Expected outgoing traffic a month in TB."""

    ssh_host: types.SshHost = ""
    """Name or address of a server that the user already has, for the host `ssh`."""
    ssh_port: types.Port = 22
    ssh_user: types.LinuxUser = "root"
    """User who prepares the server `ssh_host` for the first deployment: root, or a user who may use sudo without a
    password."""
    server_price: ServerPrice | None = None
    """Price of the server `ssh_host`; without a price, the verdict of a plan is `unknown`."""

    executor: Literal["local", "celery"] = "local"
    """What runs Airflow's tasks: the scheduler's own container, or Celery workers with Redis and Flower."""
    workers: Annotated[int, Field(ge=1, le=64), types.Plain, Scale("Workers", "how many run jobs in parallel")] = 1
    services: Mapping[types.Name, ServiceOverride] = Field(default_factory=dict)
    schedule: Annotated[
        Literal["never", "hourly", "daily", "weekly"], Scale("Schedule", "how often the pipeline loads new data")
    ] = "never"
    """When the pipeline loads new data by itself, from all sources, in UTC: never, on the hour, at midnight, or at
    midnight on Monday."""
    notify: Notify = Notify()
    """Receivers of the alerts of the profile `monitoring`, and of Airflow's messages about failed and late runs."""

    domain: types.Domain = "localhost"
    email: types.MailAddressOrNone = ""
    http_port: types.Port = 8080
    https_port: types.Port = 8443
    ssh_from: tuple[types.Network, ...] = ()
    """Networks that may reach port 22; empty allows all networks, and the plan of a rented server then warns."""
    dns_zone: types.DomainOrNone = ""
    """DNS zone in the Hetzner account to which a deployment adds the domain's records; empty to add no records."""
    server_image: types.DebianImage = "debian-12"
    certificates: types.AcmeDirectory = "production"
    """`production` or `staging` of Let's Encrypt, or the address of another CA's ACME directory. `staging` has no
    strict rate limits, but clients do not trust its certificates."""
    certificate_challenge: Literal["http", "dns"] = "http"
    """How the CA verifies control of the domain. `http`: by a request to port 80, for each name. `dns`: by a record in
    Hetzner's DNS, once for the domain and all names below it."""
    certificate_root: Annotated[str, Field(max_length=65_536)] = ""
    """PEM of the root certificates that verify the ACME directory's own TLS certificate; for a private CA."""
    registry_mirror: types.RegistryAddress = ""
    """Address of a registry that serves Docker Hub's images to a server that cannot reach Docker Hub."""

    def has(self, profile: str) -> bool:
        """Return whether the services of `profile` are selected."""
        return profile in self.profiles or "full" in self.profiles

    @field_validator("dns_zone")
    @classmethod
    def _zone_holds_the_domain(cls, value: str, info: ValidationInfo) -> str:
        """Refuse a zone that does not contain the domain; without a domain, any zone is accepted."""
        domain = info.data.get("domain", "localhost")
        if value and domain != "localhost" and not f".{domain}".endswith(f".{value}"):
            raise ValueError(f"it does not contain the domain {domain}")
        return value

    @field_validator("certificate_root")
    @classmethod
    def _root_is_a_certificate(cls, value: str) -> str:
        if value and not re.fullmatch(_CERTIFICATES, value):
            raise ValueError("it must contain only certificates in PEM form")
        if value:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
            except ssl.SSLError:
                raise ValueError("it looks like a certificate but cannot be read") from None
        return value

    @field_validator("profiles")
    @classmethod
    def _lean_is_always_on(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({"lean", *value}))

    @model_validator(mode="after")
    def _rate_has_a_date(self) -> Settings:
        if (self.fx_rate is None) != (self.fx_date is None):
            raise ValueError("fxRate and fxDate go together")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Settings:
        if self.http_port == self.https_port:
            raise ValueError("httpPort and httpsPort must differ")
        return self

    @classmethod
    def of(cls, stack: str, values: Mapping[str, Any]) -> Settings:
        """Return the settings in `values` after checking them.

        The keys are camelCase; lists and objects may be JSON text, as in Pulumi's configuration.

        Raises:
            UsageError: a setting is wrong; the error names the first wrong setting and the reason.
        """
        plain = {key: _plain(value) for key, value in values.items()}
        for place in _foreign_keys(plain):
            raise errors.unknown(stack, place)
        try:
            return cls.model_validate({**plain, "stack": stack})
        except ValidationError as error:
            raise errors.invalid(stack, error) from None


def _foreign_keys(values: Mapping[Any, Any], place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of keys that are not camelCase text, at any depth, and of the key `stack`.

    The model would also accept the names of its fields, such as `server_type` and `stack`.
    """
    for key, value in values.items():
        here = (*place, key)
        if not isinstance(key, str) or "_" in key or here == ("stack",):
            yield here
        if isinstance(value, Mapping):
            yield from _foreign_keys(value, here)


def _plain(value: Any) -> Any:
    """Parse a list or object that Pulumi passes as JSON text; return any other value unchanged."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError):
            return value
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as an object.

    Raises:
        ValueError: a key occurs twice; `_plain` then returns the unparsed text, which fails validation.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a duplicate key")
    return found
