"""What sizing must know about a GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Card:
    """A GPU product. Bandwidths in GB/s, rates of dense matrix products in TFLOP/s, one direction of links."""

    name: str
    memory: float
    """GiB that the driver reports to vLLM, which is less than the data sheet's."""
    sources: Mapping[str, str]
    """Where each number comes from, by field."""
    bandwidth: float = 0.0
    flops: Mapping[str, float] = field(default_factory=dict)
    """By type: bf16, fp8, int8, fp4. A type without an entry is computed in bf16."""
    link: float = 0.0
    """Between two GPUs of a node, all links together."""
    nic: float = 0.0
    """Gbit/s of network adapters per GPU in the vendor's usual node."""
    labels: tuple[str, ...] = ()
    """Beginnings of the product's name in node labels, dashes for blanks, lower case."""
    rocm: bool = False
