"""`DataStack`: the whole data platform as one Pulumi component, for a program of one's own too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra import labels
from infra.component.containers import ContainerContext, container, url_of, volumes_of
from infra.component.files import file_uploader
from infra.component.images import images_of
from infra.component.networks import networks
from infra.cost import Plan, gate
from infra.cost.planning.scaling import refuse_harm
from infra.cost.planning_inputs import PlanningInputs, today
from infra.engine.environment import deployed_project
from infra.engine.state_edits import COMPONENT
from infra.hosts import host_of
from infra.hosts.base import TargetInputs
from infra.services import Service, Volume, selected
from infra.settings import Settings
from stack_runtime.paths import PROJECT


class DataStack(pulumi.ComponentResource):
    """Component with every service that the settings select, healthy, on one host.

    It calls the gate first, so settings that would exceed their budget raise an error before anything is registered.

    Args:
        settings: the checked settings of the stack.
        secrets: generated secrets by name (see `infra.component.generated_secrets`), as a secret output.
        keys: folder for the server's key files; not needed on this machine.
        adopt: import ids of resources that an interrupted deployment left, by kind (see `infra.hosts`).
        wait: wait until the server is ready; False when only account resources are updated.
        project: the folder of the stack files that share the budget; None for that of `infra.engine.environment`.
        agreed: raises an error for a plan that the approval does not cover; called before anything is registered.
        identity: the stack's identity (see `infra.engine.identity`), for a label; empty for no label.

    Outputs: `urls`, addresses by service name; `plan`, the plan that passed the gate.

    Raises:
        RefusedError: over budget, the services do not fit, or a disk would have to shrink.
        UnknownError: a price, rate or capacity is unknown or too old.
    """

    urls: dict[str, str]
    plan: Plan

    def __init__(
        self,
        settings: Settings,
        secrets: pulumi.Input[Mapping[str, str]],
        keys: Path | None = None,
        adopt: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
        *,
        wait: bool = True,
        project: Path | None = None,
        agreed: Callable[[Plan], None] | None = None,
        identity: str = "",
    ) -> None:
        self.plan = plan_for_deployment(settings, project, identity or None)
        self._identity = identity
        if agreed:
            agreed(self.plan)
        super().__init__(COMPONENT, settings.stack, None, opts)
        self._settings = settings
        services = selected(settings)
        known = pulumi.Output.secret(secrets)
        options = pulumi.ResourceOptions(parent=self)
        inputs = TargetInputs(settings, self.plan, known, keys, options, adopt or {}, wait, identity)
        target = host_of(settings).target(inputs)
        self._options = pulumi.ResourceOptions(parent=self, provider=target.provider, deleted_with=target.gone_with)
        self._containers(services, known)
        self.urls = {service.name: url_of(service, settings) for service in services if service.route}
        self.register_outputs({"urls": self.urls, "plan": self.plan.model_dump(mode="json"), "identity": identity})

    def _containers(self, services: tuple[Service, ...], secrets: pulumi.Output[Mapping[str, str]]) -> None:
        volumes = {name: self._volume(volume) for name, volume in volumes_of(services).items()}
        images = images_of(self._settings.stack, services, self._options)
        image_ids = {name: image.image_id for name, image in images.items()}
        proxy = next(service.name for service in services if service.published)
        context = ContainerContext(
            settings=self._settings,
            services=services,
            secrets=secrets,
            networks=networks(self._settings.stack, self._options),
            volumes=volumes,
            file_uploader=file_uploader(self._settings, services, secrets, volumes, image_ids[proxy], self._options),
            image_ids=image_ids,
        )
        made: dict[str, list[pulumi.Resource]] = {}
        for service in services:
            after = [resource for need in service.needs for resource in made.get(need, [])]
            options = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=after))
            made[service.name] = [
                container(service, replica, context, options) for replica in range(service.replicas(self._settings))
            ]

    def _volume(self, volume: Volume) -> docker.Volume:
        """Data volumes outlive the stack: only `fds down --volumes` removes them."""
        return docker.Volume(
            f"{volume.name}-volume",
            name=f"{PROJECT}-{self._settings.stack}-{volume.name}",
            labels=[
                docker.VolumeLabelArgs(label=key, value=value)
                for key, value in sorted(labels.of_stack(self._settings.stack).items())
            ],
            opts=pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(retain_on_delete=volume.data)),
        )


def plan_for_deployment(settings: Settings, project: Path | None = None, identity: str | None = None) -> Plan:
    """Return the plan of these settings after the gate and the check for harmful changes passed.

    Args:
        project: the folder of the stack files that share the budget; None for that of `infra.engine.environment`.
        identity: the stack's identity; None when it is not known.

    Raises:
        RefusedError: over budget, the services do not fit, or a running server or volume would be replaced or shrunk.
        UnknownError: a price, rate or capacity is unknown or too old.
    """
    basis = PlanningInputs.of(
        settings, today(), project=project or deployed_project(), deploying=True, identity=identity
    )
    plan = basis.plan(settings)
    gate(plan)
    if basis.deployed is not None:
        there = settings.model_copy(update={"volume_gb": basis.deployed.volume_gb})
        refuse_harm(there, settings, plan, basis.deployed)
    return plan
