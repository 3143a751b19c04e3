"""llm-d 0.9: picker and sidecar v0.10.0 of llm-d-router, vLLM 0.26.0.

Sources: llm-d/llm-d-router v0.10.0 (config/charts, pkg/sidecar/proxy/options.go), and the guide of llm-d/llm-d at
d557f83e (2026-08-20, two days after v0.9.0): guides/recipes/router/base.values.yaml,
guides/recipes/modelserver/components/images.
"""

from components.config.vocabulary import ReleaseName
from components.releases.flow_control import router_queues
from components.releases.metrics import ROUTER
from components.releases.release import APART, PickerResources, Release
from components.releases.router_config import RouterConfig, router_config
from components.releases.router_dialect import ROUTER_0_10

KINDS = ("inferenceobjectives", "inferencemodelrewrites")

V0_9 = Release(
    name=ReleaseName.V0_9,
    vllm="0.26.0",
    picker_image="ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.10.0",
    sidecar_image="ghcr.io/llm-d/llm-d-router-disagg-sidecar:v0.10.0",
    # If both groups are served, the picker reads the second one only (llm-d-router#1449).
    picker_kinds={"inference.networking.x-k8s.io": KINDS, "llm-d.ai": KINDS},
    picker_resources=PickerResources(cpu="4", memory="8Gi", memory_limit="16Gi"),
    picker_dialect=ROUTER_0_10,
    picker_config=router_config,
    picker_shape=RouterConfig,
    picker_protocol="kubernetes.io/h2c",
    queues=router_queues,
    objectives="llm-d.ai/v1alpha2",  # config/crd/bases
    objective_header="x-llm-d-inference-objective",  # pkg/epp/metadata/consts.go
    server_port_flag="--model-server-port",
    metrics=ROUTER,
    kv_roles=APART,
    known_ucx=False,
    # torch 2.11 asks for the user's name, which a user without an entry in /etc/passwd lacks (vllm-project/vllm#44548).
    worker_env={"USER": "llm-d"},
    prefill_failure="the requests end with an error",  # llm-d-router#1206
)
