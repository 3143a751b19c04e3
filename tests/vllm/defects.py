"""Defects of a tier that only real vLLM shows, with the failing step of `verify` and its message."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Change = Callable[[Object], None]
"""Changes the vLLM container of a pod template."""


@dataclass(frozen=True)
class Defect:
    """One change of a tier's pod template."""

    name: str
    change: Change
    step: str
    """Failing step of `verify`."""
    says: str
    """Part of the step's evidence."""
    role: str = "decode"
    starts: bool = True
    """Whether vLLM becomes Ready with it."""

    def applied(self, template: Object) -> Object:
        changed = deepcopy(template)
        [vllm] = [one for one in changed["spec"]["containers"] if one["name"] == "vllm"]
        self.change(vllm)
        assert changed != template, f"{self.name}: nothing was changed"
        return marked(changed, self.name)


def marked(template: Object, mark: str) -> Object:
    annotations = template["metadata"].get("annotations") or {}
    return {**template, "metadata": {**template["metadata"], "annotations": {**annotations, "defect": mark}}}


def _flag(name: str, value: str) -> Change:
    def change(vllm: Object) -> None:
        vllm["args"] = [one for one in vllm["args"] if not one.startswith(f"{name}=")] + [f"{name}={value}"]

    return change


def _transfer(**fields: str | None) -> Change:
    """Set fields of --kv-transfer-config; None removes one."""

    def change(vllm: Object) -> None:
        flag = "--kv-transfer-config="
        [declared] = [one for one in vllm["args"] if one.startswith(flag)]
        values = json.loads(declared.removeprefix(flag)) | fields
        kept = {key: value for key, value in values.items() if value is not None}
        vllm["args"][vllm["args"].index(declared)] = flag + json.dumps(kept)

    return change


def _variable(name: str, value: str) -> Change:
    def change(vllm: Object) -> None:
        vllm["env"] = [one for one in vllm["env"] if one["name"] != name] + [{"name": name, "value": value}]

    return change


def _no_connector(vllm: Object) -> None:
    vllm["args"] = [one for one in vllm["args"] if not one.startswith("--kv-transfer-config=")]


def _other_model(vllm: Object) -> None:
    vllm["args"][0] = "another/model"


Round = tuple[Defect, ...]
"""Defects of both tiers in one round, if their steps of `verify` do not hide each other."""

ROUNDS: tuple[Round, ...] = (
    (
        Defect("no kv_role", _transfer(kv_role=None), "decode", "Please specify kv_role", starts=False),
        Defect(
            "KV buffer of another device",
            _transfer(kv_buffer_device="tpu"),
            "prefill",
            "kv_buffer",
            role="prefill",
            starts=False,
        ),
    ),
    (
        Defect(
            "transport missing", _variable("UCX_TLS", "self,sm"), "decode", "no transport to other pods", starts=False
        ),
        Defect(
            "device without a way",
            _variable("UCX_NET_DEVICES", "lo"),
            "prefill",
            "no transport to other pods",
            role="prefill",
            starts=False,
        ),
    ),
    (
        Defect(
            "side channel at a wrong address",
            _variable("VLLM_NIXL_SIDE_CHANNEL_HOST", "127.0.0.1"),
            "request",
            "NIXL handshake failed",
            role="prefill",
        ),
    ),
    (Defect("dtype of one tier", _flag("--dtype", "float32"), "request", "NIXL compatibility hash mismatch"),),
    (Defect("block size of one tier", _flag("--block-size", "64"), "request", "block sizes differ"),),
    (Defect("model path of one tier", _other_model, "request", "NIXL compatibility hash mismatch"),),
    (Defect("no KV connector", _no_connector, "KV transfer", "the decode workers do not"),),
)
"""In the last round, the stack serves."""
