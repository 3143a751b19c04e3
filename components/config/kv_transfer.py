"""Settings of vLLM's KV connector."""

from typing import Annotated, Any

from pydantic import Field

from components.config.fields import Count
from components.config.strict import Strict
from components.config.vocabulary import FailurePolicy


class KvTransfer(Strict):
    """vLLM's KV connector, which moves KV blocks from prefill to decode workers."""

    connector: str | None = Field(default=None, pattern=r"^\w+$")
    """`kv_connector`; default: the stack's, else NixlConnector (guide). MoRIIOConnector is for amd, release 0.9 and
    newer."""
    failure_policy: FailurePolicy | None = None
    """What a decode worker does if blocks do not arrive (`kv_load_failure_policy`): `fail` the request, or `recompute`
    the prompt, which slows other streams. Unset is vLLM's `fail`."""
    lease_seconds: Count | None = None
    """Seconds that a prefill worker keeps the blocks of a request that decode has not fetched
    (`kv_lease_duration`); decode workers renew it. Unset is vLLM's 30. Release 0.9 and newer."""
    backends: list[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]] = []
    """NIXL's backends, such as UCX or LIBFABRIC, in place of the infrastructure's; empty is NIXL's UCX."""
    extra: dict[str, Any] = {}
    """Further fields of `--kv-transfer-config`, such as kv_buffer_device; in a tier also `kv_role`."""
