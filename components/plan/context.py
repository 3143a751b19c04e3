"""What every decision looks at: settings with their accelerator, release and names, and what a mode makes of a tier."""

from dataclasses import dataclass, replace
from typing import Any

from components.accelerators import PROFILES, AcceleratorProfile
from components.args import ImageArgs, TracesArgs
from components.config.routing import Selective
from components.config.settings import Serving
from components.config.tiers import Decode, Prefill, Rdma
from components.config.vocabulary import FailureMode, Role
from components.gateways import GatewayProvider, chosen
from components.infrastructures import Device, InfrastructureProfile, profile
from components.names import Names
from components.releases import RELEASES, Release


@dataclass(frozen=True)
class Context:
    """The settings and what they select; pure, no resources."""

    settings: Serving
    accelerator: AcceleratorProfile
    release: Release
    infrastructure: InfrastructureProfile
    provider: GatewayProvider
    names: Names

    @staticmethod
    def of(settings: Serving) -> "Context":
        """The context of a stack's settings."""
        return Context(
            settings,
            PROFILES[settings.accelerator],
            RELEASES[settings.release],
            profile(settings.infrastructure),
            chosen(settings.gateway, settings.release),
            Names(settings.postfix, settings.namespace),
        )

    def tier(self, role: Role) -> Prefill | Decode:
        """A tier's settings as the user wrote them."""
        return self.settings.prefill if role is Role.PREFILL else self.settings.decode

    def replicas(self, role: Role) -> int:
        """Pods of a tier; host-network mode has one, and so has an infrastructure of whole nodes unless told."""
        return 1 if self._whole_node(role, "replicas") else self.tier(role).replicas

    def tensor_parallel(self, role: Role) -> int:
        """GPUs that a worker uses; host-network mode uses the node's, an infrastructure of whole nodes unless told."""
        whole = self._whole_node(role, "tensor_parallel")
        return self.settings.gpus_per_node if whole else self.tier(role).tensor_parallel

    def gpus(self, role: Role) -> int:
        """GPUs that a worker's pod takes: those it uses, or all of a node that it has to itself."""
        whole = self.settings.host_network or self.infrastructure.whole_node
        return self.settings.gpus_per_node if whole else self.tensor_parallel(role)

    def _whole_node(self, role: Role, field: str) -> bool:
        said = field in self.tier(role).model_fields_set
        return self.settings.host_network or (self.infrastructure.whole_node is not None and not said)

    def rdma_path(self, role: Role) -> str:
        """Where the RDMA device of a tier is set, or would be."""
        return f"serving.{role}.rdma" if "rdma" in self.tier(role).model_fields_set else "serving.rdma"

    def rdma(self, role: Role) -> Rdma | None:
        """What the settings say of a tier's RDMA device: its own, `null` included, before the stack's."""
        tier = self.tier(role)
        return tier.rdma if "rdma" in tier.model_fields_set else self.settings.rdma

    def device(self, role: Role) -> Device | None:
        """RDMA device of a tier's pods: what the settings say, field by field over the infrastructure's.

        None in host-network mode: the pods see every adapter of the node anyway.
        """
        given, theirs = self.rdma(role), self.infrastructure.device
        if self.settings.host_network:
            return None
        if given is None:
            return theirs
        resource = given.resource or (theirs.resource if theirs else None)
        if resource is None:
            return None
        device = replace(theirs or Device(resource), resource=resource)
        if given.network is not None:
            device = replace(device, network=given.network)
        if given.count is not None:
            per_gpu = given.count == "tensorParallel"
            device = replace(device, count=1 if isinstance(given.count, str) else given.count, per_gpu=per_gpu)
        return device

    @property
    def own_images(self) -> bool:
        """Whether both tiers run images of the user's."""
        return bool(self.settings.prefill.image and self.settings.decode.image)

    @property
    def token_secret(self) -> str | None:
        """Secret with the Hugging Face token; weights that are in a claim need none unless one is asked for."""
        model = self.settings.model
        asked = "token_secret" in model.model_fields_set
        return model.token_secret if asked or model.path is None else None

    @property
    def failure_mode(self) -> FailureMode:
        """What happens to requests while the picker does not answer: as said, or as in the release's chart."""
        return self.settings.routing.failure_mode or self.release.failure_mode

    @property
    def uncached(self) -> int | None:
        """From how many uncached units on a request is disaggregated; None: every one is."""
        selective = self.settings.routing.selective_pd
        return self.release.selective_value(selective) if isinstance(selective, Selective) else None

    @property
    def picker_config(self) -> dict[str, Any]:
        """The picker's configuration: the user's own, as it is, or the release's."""
        routing = self.settings.routing
        if routing.config is not None:
            return routing.config
        return self.release.picker_config(self.uncached, routing.preset).document()

    def traces(self, service: str) -> TracesArgs | None:
        """Where a program called `service` sends traces; None: nowhere."""
        tracing = self.settings.tracing
        return TracesArgs(endpoint=tracing.endpoint, service=service, sampling=tracing.sampling) if tracing else None

    def span_variables(self, service: str) -> dict[str, str]:
        """The environment of picker or sidecar: where its spans go.

        Told nothing, those that make spans send a tenth of them to their own pod, and log every failure to do so.
        """
        if not self.release.traces:
            return {}
        traces = self.traces(service)
        return traces.variables if traces else {"OTEL_TRACES_SAMPLER_ARG": "0"}

    def vllm_port(self, role: Role) -> int:
        """vLLM's HTTP port: behind the sidecar on decode, the pool's target port on prefill."""
        return self.settings.ports.serving if role is Role.PREFILL else self.settings.ports.decode_vllm

    def image(self, own: str | None, default: str, pull_policy: str | None = None) -> ImageArgs:
        """An image as the user wrote it, or the default, taken from the mirror if there is one.

        `default` begins with its registry's host, which the mirror replaces.
        """
        images = self.settings.images
        mirrored = f"{images.mirror}/{default.partition('/')[2]}" if images.mirror else default
        return ImageArgs(
            name=own or mirrored,
            pull_policy=images.pull_policy or pull_policy,
            pull_secrets=images.pull_secrets,
        )
