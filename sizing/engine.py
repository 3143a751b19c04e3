"""What vLLM's versions do with memory, as far as it changes the answer.

Sources, all in vllm-project/vllm: `determine_available_memory` of vllm/v1/worker/gpu_worker.py; defaults of
vllm/config/cache.py (`gpu_memory_utilization`) and vllm/engine/arg_utils.py (`get_batch_defaults`). The factors of the
sampler and of CUDA memory outside torch are fits to published start-up logs; tests/sizing/logs.yaml has what they give.
"""

import re
from itertools import takewhile
from typing import NamedTuple

Version = tuple[int, ...]

GIB = 2**30


class Engine(NamedTuple):
    """A version of vLLM."""

    version: Version

    @property
    def text(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def utilization(self) -> float:
        """`--gpu-memory-utilization` unless given: 0.92 since 0.22."""
        return 0.92 if self.version >= (0, 22) else 0.90

    @property
    def sampler(self) -> float:
        """Copies of the float32 logits that the profiled sampler holds: PyTorch's sort before 0.17, then FlashInfer."""
        return SORTING if self.version < (0, 17) else FLASHINFER

    @property
    def counts_sequences(self) -> bool:
        """Whether "GPU KV cache size" in the log is the number of sequences times their length: since 0.22."""
        return self.version >= (0, 22)

    def outside(self, ranks: int, *, rocm: bool) -> tuple[float, float, float]:
        """GiB that CUDA or ROCm and the collectives take outside torch: least, likely, most."""
        if ranks == 1:
            likely = 0.66 if rocm else 0.13 if self.version < (0, 18) else 0.25
            return likely, likely, likely + 0.2
        if self.version < (0, 18):
            likely = 0.55 if ranks == 2 else 1.3 if ranks <= 4 else 2.1
            return 0.2, likely, 2.6
        return 1.3, 2.1, 3.0

    def graphs(self, sequences: int, *, eager: bool, rocm: bool) -> tuple[float, float, float]:
        """GiB that are deducted for CUDA graphs: least, likely, most; none before 0.21, and none on ROCm."""
        if self.version < (0, 21) or eager or rocm:
            return 0.0, 0.0, 0.0
        likely = 0.1 + 0.9 * min(512, 2 * sequences) / 512
        return 0.1, likely, 2 * likely

    def hybrid_with_connector(self) -> bool:
        """Whether layers with a window keep their small cache beside a KV connector.

        Before 0.20 vLLM switches the hybrid KV cache manager off where one is configured (vllm/config/vllm.py).
        """
        return self.version >= (0, 20)

    def batched_tokens(self, memory: float, *, a100: bool) -> int:
        """`--max-num-batched-tokens` of a server unless given, by GiB of the GPU."""
        if memory >= 160 and self.version >= (0, 28):  # vllm-project/vllm#51726
            return 16384
        return 8192 if memory >= 70 and not a100 else 2048

    def sequences(self, memory: float, *, a100: bool) -> int:
        """`--max-num-seqs` of a server unless given."""
        return 1024 if memory >= 70 and not a100 else 256


SORTING = 9.65
FLASHINFER = 3.75


def engine(text: str) -> Engine:
    """The version that a text such as `0.17.1` or `v0.19.1rc1` names."""
    numbers = (re.split(r"\D", word, maxsplit=1)[0] for word in text.lstrip("v").split(".")[:3])
    return Engine(tuple(map(int, takewhile(bool, numbers))))
