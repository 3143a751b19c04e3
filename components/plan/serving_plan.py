"""The plan: everything that one `pulumi up` will declare, decided."""

from dataclasses import dataclass
from typing import Any

from components.config.settings import Cluster, Serving
from components.config.vocabulary import ChangeStrategy, Preflight, ReleaseName, Waiting
from components.gateways.args import ModelGatewayArgs
from components.plan import platform_args
from components.plan.endpoint import Endpoint
from components.plan.worker_args import DecodeTierArgs, PrefillTierArgs


@dataclass(frozen=True)
class ServingPlan:
    """Arguments of every component, and warnings for the user."""

    cluster: Cluster
    preflight: Preflight
    """Whether the preflight stops at an error, only warns, or is off."""
    waiting: Waiting
    """What is said and done while `up` waits for pods."""
    adopt: bool
    release: ReleaseName
    release_named: bool
    """Whether the stack file names it."""
    generation: str
    """Word of the generation that this run makes or changes; empty: the unnamed one."""
    strategy: ChangeStrategy
    """Whether a change may restart workers that serve."""
    endpoint: Endpoint
    """The address for clients, and the path and headers of their requests."""
    namespace: platform_args.ServingNamespaceArgs
    gateway: ModelGatewayArgs
    pool: platform_args.InferencePoolArgs
    picker: platform_args.EndpointPickerArgs
    prefill: PrefillTierArgs
    decode: DecodeTierArgs
    monitoring: platform_args.MonitoringArgs | None
    isolation: platform_args.NetworkIsolationArgs | None
    settings: Serving
    """What sizing needs besides the tiers: the preflight asks again, for the GPUs that nodes have."""
    sized: list[dict[str, Any]]
    """Memory of each tier's workers; empty where the GPU product or the model's shape is unknown."""
    report: str
    """The same as text, with what the workers carry under the stated load."""
    notes: list[str]
