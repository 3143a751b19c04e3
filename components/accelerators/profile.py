"""What distinguishes one GPU vendor from another."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.config.vocabulary import ReleaseName


@dataclass(frozen=True)
class AcceleratorProfile:
    """A GPU vendor as the workers see it."""

    gpu_resource: str
    """Extended resource of the vendor's device plugin."""
    images: Mapping[ReleaseName, str]
    """vLLM image with the KV transfer library, per llm-d release."""
    memory: str
    """Memory of one worker, unless the tier says otherwise."""
    transports: tuple[str, ...]
    """Names of `UCX_TLS` that open UCX's access to GPU memory of the vendor: first the alias of them all, then the one
    that copies, which finds out what memory is the GPU's (openucx/ucx v1.19.0, src/ucp/core/ucp_context.c
    `ucp_tl_aliases`; src/uct/cuda/cuda_copy and src/uct/rocm/copy, `detect_memory_type`)."""
    visible_devices: tuple[str, ...]
    """Variables that hide GPUs of the pod from vLLM."""
    mixed_tp_attention: str | None
    """`--attention-backend` needed when prefill and decode differ in tensor parallelism, if any."""
    image_user: int | None
    """User of the images; None: root. Volumes that the user writes to are given to the group of the same number."""
    image_notes: Mapping[ReleaseName, str]
    """What a user must know about an image, shown as a warning."""
