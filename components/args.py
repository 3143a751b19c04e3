"""What component arguments have in common, and the parts that several components take.

The plan consists of these arguments: plain typed data in which everything is decided. Plain types only, so that the
Pulumi analyzer can offer the components to every language. A field with the name of a setting means what
`components/config` says of that setting.
"""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Args(BaseModel):
    """Base of all component arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)

    @classmethod
    def of(cls, given: Any) -> Self:
        """`given`, or arguments made from the mapping of Python names that a component provider host passes."""
        return given if isinstance(given, cls) else cls.model_validate(given)


class TolerationArgs(Args):
    """A taint that pods accept."""

    key: str | None = None
    operator: str = "Exists"
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The toleration as the API server takes it."""
        return {to_camel(name): value for name, value in self.model_dump(exclude_none=True).items()}


class PlacementArgs(Args):
    """Where pods may run."""

    node_selector: dict[str, str] = {}
    tolerations: list[TolerationArgs] = []
    affinity: dict[str, Any] = {}
    apart_from: dict[str, str] = {}
    """Labels of pods that must not be on the same node; empty: none."""
    priority_class: str | None = None
    runtime_class: str | None = None
    scheduler: str | None = None
    """Name of the scheduler; None: the cluster's default."""


class TracesArgs(Args):
    """Where a program sends traces, and for which fraction of the requests."""

    endpoint: str
    """The collector's gRPC address."""
    service: str
    sampling: float
    """Fraction of the requests."""

    @property
    def variables(self) -> dict[str, str]:
        """OpenTelemetry's environment variables, for programs in Go and in Python."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_SERVICE_NAME": self.service,
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(self.sampling),
        }


class ImageArgs(Args):
    """An image and how it is pulled."""

    name: str
    """Reference with tag."""
    pull_policy: str | None = None
    """Kubernetes imagePullPolicy; unset is the cluster's default."""
    pull_secrets: list[str] = []


class SecretKeyArgs(Args):
    """A key of the Secret `name`, in the stack's namespace."""

    name: str
    key: str
