"""The settings, and the data that they select: the input of every decision."""

from dataclasses import dataclass
from typing import Any

from components.accelerators import PROFILES, AcceleratorProfile
from components.args import ImageArgs, TracesArgs
from components.config.routing import Selective
from components.config.settings import Serving
from components.config.tiers import Decode, Prefill
from components.config.vocabulary import FailureMode, Platform, Role
from components.gateways import GatewayProvider, chosen
from components.infrastructures import InfrastructureProfile, profile
from components.names import Names
from components.plan.mode import Mode, mode
from components.releases import RELEASES, Release
from components.releases.picker_events import CacheEvents, cache_events
from components.releases.router_dialect import AFFINITY


def below(registry: str, name: str) -> bool:
    """Whether an image, or a folder of images, is in a registry or a folder of it."""
    return name == registry or name.startswith(f"{registry}/")


@dataclass(frozen=True)
class Context:
    """The settings and what they select; pure, no resources."""

    settings: Serving
    accelerator: AcceleratorProfile
    release: Release
    infrastructure: InfrastructureProfile
    mode: Mode
    provider: GatewayProvider
    names: Names

    @staticmethod
    def of(settings: Serving) -> "Context":
        return Context(
            settings,
            PROFILES[settings.accelerator],
            RELEASES[settings.release],
            profile(settings.infrastructure),
            mode(settings),
            chosen(settings.gateway, settings.release),
            Names(settings.postfix, settings.namespace, settings.rollout.generation),
        )

    def tier(self, role: Role) -> Prefill | Decode:
        return self.settings.prefill if role is Role.PREFILL else self.settings.decode

    @property
    def random_users(self) -> bool:
        """Whether the cluster is OpenShift, which gives the pods of a namespace users from a range of its own."""
        return Platform.OPENSHIFT in (self.infrastructure.platform, self.provider.platform)

    @property
    def gpu_resource(self) -> str:
        """Extended resource of the GPUs: the accelerator's, unless they are shared or partitioned."""
        return self.settings.gpu_resource or self.accelerator.gpu_resource

    @property
    def own_images(self) -> bool:
        """Whether the settings name an image for both tiers."""
        return bool(self.settings.prefill.image and self.settings.decode.image)

    @property
    def token_secret(self) -> str | None:
        """Secret with the Hugging Face token; weights in a claim need none unless the settings name a Secret."""
        model = self.settings.model
        asked = "token_secret" in model.model_fields_set
        return model.token_secret if asked or model.path is None else None

    @property
    def failure_mode(self) -> FailureMode:
        return self.settings.routing.failure_mode or self.release.failure_mode

    @property
    def uncached(self) -> int | None:
        """Fewest uncached units with which a request is disaggregated; None: every request is."""
        selective = self.settings.routing.selective_pd
        return self.release.selective_value(selective) if isinstance(selective, Selective) else None

    @property
    def picker_config(self) -> dict[str, Any]:
        """The picker's configuration: the user's own, as it is, or the release's."""
        routing = self.settings.routing
        if routing.config is not None:
            return routing.config
        config = self.release.picker_config(self.uncached, routing.preset)
        if routing.peak_prefill_throughput is not None:
            config = config.given(AFFINITY, peakPrefillThroughput=routing.peak_prefill_throughput)
        if routing.flow_control is not None and self.release.queues is not None:
            config = self.release.queues(config, routing.flow_control)
        return config.document()

    @property
    def priorities(self) -> dict[str, int]:
        """Names of the stack's InferenceObjectives, and their priorities."""
        flow = self.settings.routing.flow_control
        return {self.names.objective(each.name): each.priority for each in flow.priorities} if flow else {}

    @property
    def cache_events(self) -> CacheEvents:
        """Ports at which picker and workers exchange events of the caches."""
        dialect = self.release.picker_dialect
        return cache_events(self.picker_config, dialect.events_endpoint, discovers=dialect.discovers_events)

    def traces(self, service: str) -> TracesArgs | None:
        """Where a program called `service` sends traces; None: nowhere."""
        tracing = self.settings.tracing
        return TracesArgs(endpoint=tracing.endpoint, service=service, sampling=tracing.sampling) if tracing else None

    def span_variables(self, service: str) -> dict[str, str]:
        """The environment of picker or sidecar: where its spans go.

        Without these variables, a program that makes spans sends a tenth of them to its own pod, and logs each failure.
        """
        if not self.release.traces:
            return {}
        traces = self.traces(service)
        if traces:
            return traces.variables
        return {"OTEL_TRACES_SAMPLER_ARG": "0"} if self.release.traces_unasked else {}

    def vllm_port(self, role: Role) -> int:
        """vLLM's HTTP port: behind the sidecar on decode, the pool's target port on prefill."""
        return self.settings.ports.serving if role is Role.PREFILL else self.settings.ports.decode_vllm

    def mirrored(self, name: str) -> str | None:
        """A name with the mirror of its registry in place of the registry; None: no line of `images.mirrors` fits."""
        mirrors = self.settings.images.mirrors
        registry = max((each for each in mirrors if below(each, name)), key=len, default=None)
        return mirrors[registry] + name.removeprefix(registry) if registry else None

    def image(self, own: str | None, default: str, pull_policy: str | None = None) -> ImageArgs:
        """An image as the user wrote it, or the default, taken from a mirror if there is one.

        `default` begins with its registry's host, which the mirror replaces.
        """
        images = self.settings.images
        everywhere = f"{images.mirror}/{default.partition('/')[2]}" if images.mirror else default
        return ImageArgs(
            name=own or self.mirrored(default) or everywhere,
            pull_policy=images.pull_policy or pull_policy,
            pull_secrets=images.pull_secrets,
        )
