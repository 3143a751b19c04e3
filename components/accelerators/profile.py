"""The profile of a GPU vendor: everything that the program knows about one vendor."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.config.vocabulary import Accelerator, ReleaseName
from sizing.card import Card

COMPILED = {
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
    "VLLM_CACHE_ROOT": "vllm",
}
"""Where vLLM and the compilers that it uses on every vendor's GPUs keep what they compiled. The images' own folders are
below HOME or /tmp of the container: a restart loses them, and a random user of OpenShift cannot write to HOME
(llm-d/llm-d#1430)."""


@dataclass(frozen=True)
class Image:
    """A vLLM image with the KV transfer library, and what its Dockerfile says about the process."""

    name: str
    user: int
    """`USER` of the Dockerfile; 0: root. For another user, volumes that vLLM writes to get the group of the same
    number."""
    home: str
    """`HOME` of the process. Its files are lost when the container ends."""
    why: str = ""
    note: str = ""
    """Warning about this image that a preview shows."""


@dataclass(frozen=True)
class AcceleratorProfile:
    """A GPU vendor as the workers see it."""

    title: str
    """Name of the vendor's GPUs and of the software that vLLM uses them by."""
    source: str
    gpu_resource: str
    images: Mapping[ReleaseName, Image]
    """Image per llm-d release; a release without one is refused."""
    memory: str
    """Memory of one worker, unless the tier or the infrastructure says otherwise."""
    transports: tuple[str, ...]
    """Names of `UCX_TLS` that open UCX's access to GPU memory of the vendor: first the alias of all of them, then the
    transport that copies, which also detects GPU memory (openucx/ucx v1.19.0, src/ucp/core/ucp_context.c
    `ucp_tl_aliases`; src/uct/{cuda,rocm,ze}/…/*_copy*, `detect_memory_type`)."""
    kv_buffer_devices: tuple[str, ...]
    """Values of `kv_buffer_device` that vLLM's NixlConnector takes with these GPUs (vllm-project/vllm v0.17.1,
    vllm/distributed/kv_transfer/kv_connector/v1/nixl_connector.py `_NIXL_SUPPORTED_DEVICE`; ROCm is `cuda` there). The
    first is passed where `cuda`, vLLM's default on CUDA and ROCm, is not among them."""
    visible_devices: tuple[str, ...]
    """Variables that hide GPUs of the pod from vLLM."""
    mixed_tp_attention: str | None = None
    """`--attention-backend` needed when prefill and decode differ in tensor parallelism, if any."""
    pair_variables: tuple[str, ...] = ()
    """Variables of the vendor that choose the attention backend or the KV layout. They must be equal in both tiers."""
    env: Mapping[str, str] = field(default_factory=dict)
    caches: Mapping[str, str] = field(default_factory=lambda: COMPILED)
    """Variables that name the folders of compiled code, with the folder below the workers' scratch volume."""
    products: Mapping[str, Card] = field(default_factory=dict)
    """GPU products by the word of `serving.gpu`, for sizing and preflight."""
    product_labels: tuple[str, ...] = ()
    """Node labels with the product's name, as the vendor's labeller sets them."""
    memory_labels: tuple[str, ...] = ()
    """Node labels of the same labeller with the memory of one GPU: in MiB, or in GiB with a `G`."""


def products(vendor: Accelerator) -> dict[str, Card]:
    """The vendor's GPUs of `products.json`, which has the units of `Card`; AMD's "GB" of memory are GiB."""
    rows = json.loads(Path(__file__).with_name("products.json").read_text())[vendor]
    rocm = vendor is Accelerator.AMD
    return {each["name"]: Card(**{**each, "labels": tuple(each["labels"])}, rocm=rocm) for each in rows}
