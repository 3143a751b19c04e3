"""Settings of vLLM's KV connector."""

from typing import Any

from pydantic import Field

from components.config.strict import Strict


class KvTransfer(Strict):
    """vLLM's KV connector, which moves KV blocks from prefill to decode workers."""

    connector: str | None = Field(default=None, pattern=r"^\w+$")
    """`kv_connector`; default: the stack's, else NixlConnector (guide)."""
    extra: dict[str, Any] = {}
    """Further fields of `--kv-transfer-config`, such as kv_buffer_device; in a tier also `kv_role`."""
