"""UCX transport settings, refused where UCX's documentation does not know their form.

Source: `ucx_info -cf` and the FAQ of UCX 1.19, the generation in the llm-d 0.4 to 0.6 images.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from components.config.fields import documented, wrong
from components.config.strict import Strict
from components.config.vocabulary import UcxLogLevel

WITHIN_POD = {
    *("self", "sm", "shm", "mm", "posix", "sysv", "cma", "knem", "xpmem"),
    *("cuda", "cuda_copy", "cuda_ipc", "gdr_copy", "rocm", "rocm_copy", "rocm_ipc", "rocm_gdr"),
    *("ze", "ze_copy", "ze_ipc", "ze_gdr", "gaudi_gdr", "gga_mlx5"),
}
"""Names and aliases that `UCX_TLS` knows and that move data within a pod or to its GPUs."""

BETWEEN_PODS = {
    *("all", "tcp", "ib", "rc", "rc_v", "rc_verbs", "rc_x", "rc_mlx5"),
    *("ud", "ud_v", "ud_verbs", "ud_x", "ud_mlx5", "dc", "dc_x", "dc_mlx5", "srd"),
}
"""Those that reach another pod."""

TRANSPORT = re.compile(r"\\?[a-z0-9_]+(:(aux|init))?")
"""A transport of any version of UCX, with its marks. Whether the release's UCX has it: `components/plan/checks`."""

NET_DEVICE = re.compile(r"all|[A-Za-z0-9_.@-]+(\[\d+(-\d+)?(,\d+(-\d+)?)*\])?(:\d+)?")
"""`all`, an interface (eth0) or an adapter with its port (mlx5_0:1, mlx5_[0-3]:1)."""


def _as_list(value: Any) -> Any:
    """A list, or the comma-separated text that UCX itself takes."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _each(pattern: re.Pattern[str], kind: str, outcome: str, change: str) -> AfterValidator:
    """Refuses an empty list, and names without the pattern's form; the first may begin with `^`."""

    def check(value: list[str]) -> list[str]:
        names = [part.removeprefix("^") if index == 0 else part for index, part in enumerate(value)]
        malformed = [name for name in names if not pattern.fullmatch(name)]
        if malformed or not value:
            raise wrong(f"is not a list of {kind}: {', '.join(malformed) or '(none given)'}", outcome, change)
        return value

    return AfterValidator(check)


def _byte(value: Any) -> Any:
    """Neither the GID index nor the traffic class has more than eight bits."""
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255):
        return value
    raise wrong(
        "is neither a whole number from 0 to 255 nor auto",
        "UCX would stop with a parse error at start, and vLLM with it",
        "RoCE v2 is usually GID index 3 (`show_gids` lists them); 41 is the guide's traffic class",
    )


def _listed(title: str, name: str) -> Any:
    """A list of names, or one text with commas; the first may begin with `^`: all but these."""
    return documented(
        title,
        type=["array", "string"],
        pattern=rf"^ *\^?{name}( *, *{name})* *$",
        minItems=1,
        items={"type": "string", "pattern": rf"^\^?{name}$"},
    )


Transports = Annotated[
    list[str],
    _each(
        TRANSPORT,
        "transports",
        "UCX would ignore them with a warning, and KV blocks would fall back to TCP or fail",
        "use names from `ucx_info -d`, such as rc, ud, tcp, sm, self, rocm, cuda_copy",
    ),
    BeforeValidator(_as_list),
    _listed("UCX transports", TRANSPORT.pattern),
]
NetDevices = Annotated[
    list[str],
    _each(
        NET_DEVICE,
        "network devices",
        "UCX would find no such device and fall back to TCP, or pick an adapter by itself",
        "name adapters with their port as `ibv_devinfo` shows them, such as mlx5_0:1 or bnxt_re0:1",
    ),
    BeforeValidator(_as_list),
    _listed("network devices", f"({NET_DEVICE.pattern})"),
]
Byte = Annotated[
    int | str,
    BeforeValidator(_byte),
    documented("0 to 255 or auto", anyOf=[{"type": "integer", "minimum": 0, "maximum": 255}, {"const": "auto"}]),
]


class Ucx(Strict):
    """The six UCX variables that the guides tune; unset leaves UCX's own choice."""

    tls: Transports | None = None
    """`UCX_TLS`: transports, such as `self,sm,rocm,rc`; text with commas or a list."""
    net_devices: NetDevices | None = None
    """`UCX_NET_DEVICES`: adapters with port, such as `mlx5_0:1`; unset on hosts with several adapters UCX may mix
    rails that do not reach each other."""
    ib_gid_index: Byte | None = None
    """`UCX_IB_GID_INDEX`: 0 to 255 or `auto`; RoCE v2 is usually 3, a wrong index falls back to TCP silently."""
    ib_traffic_class: Byte | None = None
    """`UCX_IB_TRAFFIC_CLASS`: 0 to 255 or `auto`; the lossless class of a RoCE fabric."""
    log_level: UcxLogLevel | None = None
    """`UCX_LOG_LEVEL`. The lines go to standard error (`UCX_LOG_FILE`, unless the tier's `env` sets it)."""
    proto_info: bool | None = None
    """`UCX_PROTO_INFO`: print the transport chosen for every operation: shows a silent TCP fallback. It
    goes where the lines of `logLevel` go."""
