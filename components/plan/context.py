"""What every decision looks at: settings with their accelerator, release and names, and what a mode makes of a tier."""

from dataclasses import dataclass

from components.accelerators import PROFILES, AcceleratorProfile
from components.config.settings import Selective, Serving
from components.config.tiers import Decode, Prefill, Rdma
from components.config.vocabulary import Role
from components.names import Names
from components.plan.args import ImageArgs
from components.releases import RELEASES, Release
from components.releases.release import REGISTRY


@dataclass(frozen=True)
class Context:
    """The settings and what they select; pure, no resources."""

    settings: Serving
    accelerator: AcceleratorProfile
    release: Release
    names: Names

    @staticmethod
    def of(settings: Serving) -> "Context":
        """The context of a stack's settings."""
        return Context(
            settings,
            PROFILES[settings.accelerator],
            RELEASES[settings.release],
            Names(settings.postfix, settings.namespace),
        )

    def tier(self, role: Role) -> Prefill | Decode:
        """A tier's settings as the user wrote them."""
        return self.settings.prefill if role is Role.PREFILL else self.settings.decode

    def replicas(self, role: Role) -> int:
        """Pods of a tier; host-network mode has one, which takes a whole node."""
        return 1 if self.settings.host_network else self.tier(role).replicas

    def tensor_parallel(self, role: Role) -> int:
        """GPUs per pod of a tier; host-network mode takes the whole node."""
        return self.settings.gpus_per_node if self.settings.host_network else self.tier(role).tensor_parallel

    def rdma(self, role: Role) -> Rdma | None:
        """RDMA device of a tier's pods: its own setting, `null` included, before the stack's.

        None in host-network mode: the pods see every adapter of the node anyway.
        """
        tier = self.tier(role)
        own = "rdma" in tier.model_fields_set
        return None if self.settings.host_network else tier.rdma if own else self.settings.rdma

    @property
    def token_secret(self) -> str | None:
        """Secret with the Hugging Face token; weights that are in a claim need none unless one is asked for."""
        model = self.settings.model
        asked = "token_secret" in model.model_fields_set
        return model.token_secret if asked or model.path is None else None

    @property
    def uncached(self) -> int | None:
        """From how many uncached units on a request is disaggregated; None: every one is."""
        selective = self.settings.routing.selective_pd
        return self.release.selective_value(selective) if isinstance(selective, Selective) else None

    def vllm_port(self, role: Role) -> int:
        """vLLM's HTTP port: behind the sidecar on decode, the pool's target port on prefill."""
        return self.settings.ports.serving if role is Role.PREFILL else self.settings.ports.decode_vllm

    def image(self, own: str | None, default: str, pull_policy: str | None = None) -> ImageArgs:
        """An image as the user wrote it, or the release's, taken from the mirror if there is one."""
        images = self.settings.images
        mirrored = default.replace(f"{REGISTRY}/", f"{images.mirror}/", 1) if images.mirror else default
        return ImageArgs(
            name=own or mirrored,
            pull_policy=images.pull_policy or pull_policy,
            pull_secrets=images.pull_secrets,
        )
