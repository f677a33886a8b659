"""Define `DataStack`, the whole data platform as one Pulumi component, which other Pulumi programs can use too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
import pulumi_docker as docker
from pulumi.runtime import config as runtime_config

from infra import image_lock
from infra.component import generated_secrets, program_stacks
from infra.component.args import DataStackArgs, Operation
from infra.component.containers import ContainerContext, container, url_of, volumes_of
from infra.component.files import file_uploader
from infra.component.images import images_of
from infra.component.networks import networks
from infra.cost import Plan, gate
from infra.cost.planning.scaling import refuse_harm
from infra.cost.planning_inputs import PlanningInputs, ProgramStack, today
from infra.engine.state_edits import COMPONENT
from infra.hosts import host_of, take_configuration
from infra.hosts.base import DockerTarget, TargetInputs
from infra.services import Service, Volume, selected
from infra.settings import Settings
from stack_runtime import labels
from stack_runtime.errors import StackError, UsageError
from stack_runtime.paths import PROJECT, keys_folder, project_dir


class DataStack(pulumi.ComponentResource):
    """Component that runs every service that the settings select on one host, and waits until all are healthy.

    It calls the gate first, so settings that would exceed their budget raise an error before anything is registered.

    Args:
        name: the name of the data stack, equal to `args.settings.stack`. Resources, labels, containers, networks,
            volumes and the server are named after it, so it must be unique on its Docker daemon and in its account.
        args: settings, secrets and further services.
        opts: resource options, as for every component.

    Raises:
        pulumi.RunError: the name differs from `settings.stack` or is taken in this program, a service cannot run, a
            secret that cannot be generated is missing, the plan is over budget or does not fit, a price, rate or
            capacity is unknown or too old, the existing server or volume would be replaced or shrunk, the host can
            only be deployed with `fds`, or Docker's settings name no daemon. With `args.operation`, the `StackError`
            itself is raised instead.
    """

    plan: Plan
    """The plan that passed the gate."""
    urls: Mapping[str, str]
    """Address of each service with a user interface, by the service's name."""
    networks: Mapping[str, pulumi.Output[str]]
    """Names of the Docker networks `internet`, `web` and `data`. Services reach each other by name in `data`."""
    host: pulumi.Output[str]
    """Address of the machine: a rented server's IPv4 address, the setting `sshHost`, or `127.0.0.1`."""
    docker_provider: docker.Provider
    """Provider for further containers on the same Docker daemon."""

    def __init__(self, name: str, args: DataStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        self._settings, self._secrets, self._keys = args.settings, args.secrets, args.keys
        self._operation = args.operation or Operation()
        try:
            services, self.plan = _checked(name, args, self._operation)
            self._project = self._operation.project or project_dir()
            self._image_lock = image_lock.read(self._project)
            named = pulumi.ResourceOptions(transformations=[_with_former_name(name)])
            super().__init__(COMPONENT, name, None, pulumi.ResourceOptions.merge(opts, named))
            self._register(services)
        except StackError as error:
            if args.operation:
                raise
            raise pulumi.RunError(str(error)) from error  # Pulumi shows a RunError without a traceback

    def _register(self, services: tuple[Service, ...]) -> None:
        needed = generated_secrets.names(self._settings, services)
        secrets = generated_secrets.complete(
            self._settings.stack, self._secrets, needed, pulumi.ResourceOptions(parent=self)
        )
        target = self._target(secrets)
        self.docker_provider = target.provider
        self.host = pulumi.Output.from_input(target.address)
        self._options = pulumi.ResourceOptions(parent=self, provider=target.provider, deleted_with=target.gone_with)
        made = networks(self._settings.stack, self._options)
        self.networks = {name: network.name for name, network in made.items()}
        self._containers(services, secrets, made)
        self.urls = {service.name: url_of(service, self._settings) for service in services if service.route}
        self.register_outputs(
            {
                "urls": self.urls,
                "plan": self.plan.model_dump(mode="json"),
                "networks": self.networks,
                "host": self.host,
                "identity": self._operation.identity,
            }
        )

    def _target(self, secrets: pulumi.Output[Mapping[str, str]]) -> DockerTarget:
        operation = self._operation
        keys = self._keys or keys_folder(self._project, self._settings.stack)
        inputs = TargetInputs(
            self._settings,
            self.plan,
            secrets,
            keys,
            pulumi.ResourceOptions(parent=self),
            operation.adopt,
            operation.wait,
            operation.identity,
        )
        return host_of(self._settings).target(inputs)

    def _containers(
        self,
        services: tuple[Service, ...],
        secrets: pulumi.Output[Mapping[str, str]],
        made_networks: dict[str, docker.Network],
    ) -> None:
        volumes = {name: self._volume(volume) for name, volume in volumes_of(services).items()}
        images = images_of(self._settings.stack, services, self._image_lock, self._options)
        image_ids = {name: image.image_id for name, image in images.items()}
        proxy = next(service.name for service in services if service.published)
        context = ContainerContext(
            settings=self._settings,
            services=services,
            secrets=secrets,
            networks=made_networks,
            volumes=volumes,
            file_uploader=file_uploader(self._settings, services, secrets, volumes, image_ids[proxy], self._options),
            image_ids=image_ids,
        )
        made: dict[str, list[pulumi.Resource]] = {}
        for service in services:
            after = [resource for need in service.needs for resource in made.get(need, [])]
            options = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=after))
            replicas: list[pulumi.Resource] = [
                container(service, replica, context, options) for replica in range(service.replicas(self._settings))
            ]
            made |= dict.fromkeys((service.name, service.replaces), replicas)

    def _volume(self, volume: Volume) -> docker.Volume:
        """Register a volume. A volume with data outlives the stack: only `fds down --volumes` removes it."""
        return docker.Volume(
            f"{self._settings.stack}-{volume.name}-volume",
            name=f"{PROJECT}-{self._settings.stack}-{volume.name}",
            labels=[
                docker.VolumeLabelArgs(label=key, value=value)
                for key, value in sorted(labels.of_stack(self._settings.stack).items())
            ],
            opts=pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(retain_on_delete=volume.data)),
        )


def _checked(name: str, args: DataStackArgs, operation: Operation) -> tuple[tuple[Service, ...], Plan]:
    """Return the services and their plan if they may be deployed.

    Raises:
        StackError: for one of the reasons that `DataStack` lists.
    """
    if name != args.settings.stack:
        raise UsageError(
            f"the component is named {name}, but its settings name the stack {args.settings.stack}",
            next_command="use one name for both",
        )
    if args.operation is None and host_of(args.settings).needs_fds:
        raise UsageError(
            f"a program of your own cannot deploy to the host {args.settings.host}: only fds accepts the host key of "
            "the server and prepares it",
            next_command="use another host, or deploy this stack with fds up in a project of fds init",
        )
    take_configuration(name, runtime_config.CONFIG.get())
    services = selected(args.settings, args.services)
    generated_secrets.require_asked(args.settings, args.secrets, services)
    beside = program_stacks.add(args.settings, args.services)
    plan = plan_for_deployment(
        args.settings, operation.project, operation.identity or None, own=args.services, beside=beside
    )
    if operation.agreed:
        operation.agreed(plan)
    return services, plan


def _with_former_name(stack: str) -> pulumi.ResourceTransformation:
    """Return a transformation that gives every child an alias: its name without the prefix `<stack>-`.

    Stacks deployed by version 0.1.0 or older have children without the prefix; the alias prevents their replacement.
    """

    def add_alias(found: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        former = found.name.removeprefix(f"{stack}-")
        if former == found.name:
            return None
        alias = pulumi.ResourceOptions(aliases=[pulumi.Alias(name=former)])
        return pulumi.ResourceTransformationResult(found.props, pulumi.ResourceOptions.merge(found.opts, alias))

    return add_alias


def plan_for_deployment(
    settings: Settings,
    project: Path | None = None,
    identity: str | None = None,
    *,
    own: Sequence[Service] = (),
    beside: Sequence[ProgramStack] = (),
) -> Plan:
    """Return the plan of these settings if it passes the gate and the check for harmful changes.

    Args:
        project: the folder with the stack files of the budget group; None for the project of the current folder.
        identity: the stack's identity; None when it is not known.
        own: services of this stack that are not in the catalogue.
        beside: other stacks of the same program.

    Raises:
        RefusedError: the plan is over budget, the services do not fit, or the existing server or volume would be
            replaced or shrunk.
        UnknownError: a price, rate or capacity is unknown or too old.
    """
    home = project or project_dir()
    basis = PlanningInputs.of(
        settings, today(), project=home, deploying=True, identity=identity, own=own, beside=beside
    )
    plan = basis.plan(settings)
    gate(plan)
    if basis.deployed is not None:
        there = settings.model_copy(update={"volume_gb": basis.deployed.volume_gb})
        refuse_harm(there, settings, plan, basis.deployed)
    return plan
