"""The vLLM command line and environment as this program sets them: what a user may not set besides, and where instead.

Source: `vllm serve --help` of vLLM 0.11 to 0.17. `tests/plan` holds this table against what `pods/vllm.py` renders.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

SET_FLAGS: Mapping[str, str] = {
    "--port": "serving.ports",
    "--served-model-name": "serving.model.servedName",
    "--tensor-parallel-size": "serving.prefill.tensorParallel or serving.decode.tensorParallel",
    "--max-model-len": "serving.model.maxModelLen",
    "--block-size": "serving.model.blockSize",
    "--kv-transfer-config": "serving.kvTransfer, or the tier's own kvTransfer",
    "--disable-uvicorn-access-log": "nothing: it is always set",
    "--otlp-traces-endpoint": "serving.tracing.endpoint",
    "--collect-detailed-traces": "serving.tracing.detailed",
}
"""Flags that the program sets, and the setting that decides them."""

POSITIONAL = "--model"
"""The model is the first argument; this old spelling of it would contradict."""

COUNTING_FLAGS = (
    "--pipeline-parallel-size",
    "--data-parallel-size",
    "--data-parallel-size-local",
    "--prefill-context-parallel-size",
    "--nnodes",
)
"""Flags that change how many GPUs a pod needs, unless they say 1; the program requests `tensorParallel` of them."""

SERVERS_FLAG = "--api-server-count"
"""How many API servers vLLM starts; 0 is `--headless` (vllm/entrypoints/cli/serve.py, vLLM 0.11 to 0.17)."""

HOST_FLAG = "--host"
EVERY_ADDRESS = ("0.0.0.0", "::")
"""Values of `--host` with which vLLM listens on the pod's address."""

BREAKING_FLAGS: Mapping[str, str] = {
    "--api-key": "the key would stand in clear in the pod, and vLLM answer 401 to all who do not know it: the probes, "
    "which ask /v1/models without a key, `python -m verify`, and the requests of the stack's outputs",
    "--disable-log-stats": "vLLM would have no `vllm:` metrics: the endpoint picker could not compare workers, and "
    "the preStop hook could not see running streams",
    "--headless": "vLLM would start no API server: no pod would become Ready",
    "--ssl-certfile": "vLLM would speak TLS on a port that the probes, the endpoint picker and the routing sidecar "
    "address without it: no pod would become Ready",
    "--ssl-keyfile": "vLLM's server stops at start where a key has no certificate (uvicorn/config.py 0.30 to 0.46), "
    "and speaks TLS where it has one: no pod would become Ready",
    "--uds": "vLLM would listen on a socket file only: no pod would become Ready",
}
"""Flags that take away what the rest of the stack needs from vLLM, each with the outcome (vLLM 0.11 to 0.17,
vllm/entrypoints/openai/cli_args.py, api_server.py)."""

API_KEY_VARIABLE = "VLLM_API_KEY"
"""Where vLLM reads its API key; `--api-key` goes before it. vLLM asks for the key on paths below `/v1` (newer ones:
`/v2`, `/inference`), so `/health`, `/metrics` and `/load` answer without one (`AuthenticationMiddleware` in
vllm/entrypoints/openai/api_server.py, from 0.15 on server_utils.py; vllm-project/vllm#29922)."""

BREAKING_VARIABLES: Mapping[str, str] = {API_KEY_VARIABLE: BREAKING_FLAGS["--api-key"]}
"""Environment variables with the effect of such a flag (vllm/envs.py)."""

ALIASES: Mapping[str, str] = {
    "-tp": "--tensor-parallel-size",
    "-pp": "--pipeline-parallel-size",
    "-dp": "--data-parallel-size",
    "-dpl": "--data-parallel-size-local",
    "-pcp": "--prefill-context-parallel-size",
    "-n": "--nnodes",
    "-asc": "--api-server-count",
    "-ac": "--attention-config",
    "-q": "--quantization",
}

ATTENTION_FLAG = "--attention-backend"
"""Set by the program where the accelerator needs it, unless the user gives one."""

ATTENTION_CONFIG = "--attention-config"
"""JSON with the same choice in its field `backend`; both at once stop vLLM 0.17.1 (vllm/engine/arg_utils.py)."""

ATTENTION_VARIABLE = "VLLM_ATTENTION_BACKEND"
"""Says the same to vLLM before 0.14 (vllm-project/vllm#26315); vLLM 0.17.1 does not read it."""

SPECULATIVE_FLAG = "--speculative-config"

BLOCK_SIZES = (1, 8, 16, 32, 64, 128, 256)
"""Values of `--block-size` that vLLM 0.11 to 0.17 takes (vllm/config/cache.py, `BlockSize`)."""

SET_VARIABLES: Mapping[str, str] = {
    "DP_SIZE": "nothing: it is always 1",
    "DP_SIZE_LOCAL": "nothing: it is always 1",
    "HF_TOKEN": "`pulumi config set --secret hfToken`, or serving.model.tokenSecret",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "serving.tracing.endpoint",
    "OTEL_SERVICE_NAME": "nothing: it is the tier's name",
    "OTEL_TRACES_EXPORTER": "serving.tracing.endpoint",
    "OTEL_TRACES_SAMPLER": "nothing: requests with a trace of their own go by that, others by chance",
    "OTEL_TRACES_SAMPLER_ARG": "serving.tracing.sampling",
    "TP_SIZE": "serving.prefill.tensorParallel or serving.decode.tensorParallel",
    "UCX_IB_GID_INDEX": "serving.ucx.ibGidIndex",
    "UCX_IB_TRAFFIC_CLASS": "serving.ucx.ibTrafficClass",
    "UCX_LOG_LEVEL": "serving.ucx.logLevel",
    "UCX_NET_DEVICES": "serving.ucx.netDevices",
    "UCX_PROTO_INFO": "serving.ucx.protoInfo",
    "UCX_TLS": "serving.ucx.tls",
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "nothing: it must outlast the sidecar's idle connections (90 s)",
    "VLLM_LOGGING_LEVEL": "serving.prefill.logLevel or serving.decode.logLevel",
    "VLLM_NIXL_SIDE_CHANNEL_HOST": "nothing: it is the pod's address",
    "VLLM_NIXL_SIDE_CHANNEL_PORT": "serving.ports.nixl",
}
"""Environment variables that the program sets, and the setting that decides them."""

CACHE_VARIABLE = "HF_HOME"
"""Where vLLM downloads weights to: the volume for them, unless a tier mounts a folder of the node for it."""

DOWNLOAD_FLAG = "--download-dir"
CONFIG_FLAG = "--config"

EXPOSING_VARIABLES: Mapping[str, str] = {
    "VLLM_SERVER_DEV_MODE": "vLLM serves /collective_rpc, /sleep, /reset_prefix_cache and others to everybody, with "
    "serving.security.apiKey too, and the Gateway forwards every path "
    "(llm-d-incubation/llm-d-fast-model-actuation#27): let only /v1 through in front of it",
}
"""Variables that open paths of vLLM which are not meant for clients, unless they are 0."""

UNTOKENIZED_FLAGS = ("--skip-tokenizer-init", "--tokens-only")
"""Flags with which vLLM has no tokenizer (vllm/engine/arg_utils.py, vLLM 0.12 to 0.17)."""

MISLEADING_VARIABLES: Mapping[str, str] = {
    **dict.fromkeys(
        ("NIXL_BACKEND", "VLLM_NIXL_BACKEND", "VLLM_NIXL_KVCACHE_BACKEND"),
        "vLLM does not read it (vllm-project/vllm#41814): NIXL's backends are `kv_connector_extra_config: {backends: "
        "[…]}` in serving.kvTransfer.extra",
    ),
    "VLLM_PORT": "it is no port of the server, but where vLLM's processes look for ports among themselves "
    "(vllm-project/vllm#5867): the server's are serving.ports",
    **dict.fromkeys(
        ("VLLM_DP_SIZE", "VLLM_DP_RANK", "VLLM_DP_RANK_LOCAL", "VLLM_DP_MASTER_IP", "VLLM_DP_MASTER_PORT"),
        "it is for data parallelism of processes that a script starts (vllm-project/vllm#27282): this vLLM would count "
        "itself among several, and wait for the others",
    ),
    ATTENTION_VARIABLE: "vLLM 0.17 does not read it (vllm-project/vllm#50292): use --attention-backend in extraArgs",
}
"""Variables that do not do what people set them for, each with what does."""

PAIR_FLAGS = (
    "--kv-cache-dtype",
    "--dtype",
    ATTENTION_FLAG,
    ATTENTION_CONFIG,
    "--block-size",
    "--hf-overrides",
    "--kv-transfer-config",
    "--quantization",
    "--revision",
    SPECULATIVE_FLAG,
)
"""Flags that a prefill and a decode worker must have alike, beside the image (vLLM's version) and the model's path.

Source: `compute_nixl_compatibility_hash` and `_validate_remote_agent_handshake` of
vllm/distributed/kv_transfer/kv_connector/v1/nixl_connector.py, vLLM 0.17.1. The hash has vLLM's version, the model's
path, dtype, KV heads, head size, layers, attention backend, KV cache dtype and cross-layer blocks. The handshake
compares block size, KV layout and the number of KV regions, which a speculative model adds to. `--revision` is in
neither: blocks of other weights would be taken, and the answers be wrong.
"""

PAIR_TRANSFER_IGNORED = ("kv_buffer_size", "kv_load_failure_policy", "kv_role")
"""Fields of `--kv-transfer-config` in which two workers may differ."""

LAYOUT_VARIABLE = "VLLM_KV_CACHE_LAYOUT"

PAIR_VARIABLES = (ATTENTION_VARIABLE, LAYOUT_VARIABLE)
"""Variables that choose the attention backend or the KV layout (vllm/envs.py, vLLM 0.11 to 0.17), beside those of an
accelerator."""


ROLES_SINCE = (0, 23)
"""vLLM that wants a producer and a consumer of NixlConnector, and warns of `kv_both` (vllm-project/vllm#43807)."""

_VLLM_IMAGE = re.compile(r"(?:.*/)?vllm(?:-openai[a-z-]*)?:v?(\d+)\.(\d+)[^/]*")
_LLM_D_IMAGE = re.compile(r"(?:.*/)?llm-d-(?:cuda|rocm|aws|xpu|cpu)[a-z0-9-]*:v?0\.(\d+)[^/]*")
_IN_LLM_D = {4: (0, 11), 6: (0, 17), 7: (0, 19), 8: (0, 23), 9: (0, 26)}
"""vLLM in the images of llm-d 0.x (release pages of llm-d/llm-d)."""


FAILING: Mapping[str, str] = {
    "llm-d/llm-d-rocm:v0.9.0": "this image of llm-d 0.9 crash-loops in prefill and decode pods (llm-d/llm-d#2522): "
    "leave it out, or use v0.8.1",
}
"""Images that upstream names and that do not serve, with the reason."""


def vllm_of(image: str) -> tuple[int, int] | None:
    """The version of vLLM that an image's tag says, as vLLM's own and llm-d's do; None: it says none."""
    if found := _VLLM_IMAGE.fullmatch(image):
        return int(found[1]), int(found[2])
    found = _LLM_D_IMAGE.fullmatch(image)
    return _IN_LLM_D.get(int(found[1])) if found else None


def copied(image: str) -> str:
    """Repository and tag of an image reference: a copy in another registry is the same vLLM."""
    return "/".join(image.split("/")[-2:])


KNOWN = tuple(
    dict.fromkeys(
        (
            *(*SET_FLAGS, *BREAKING_FLAGS, *COUNTING_FLAGS, *PAIR_FLAGS, *ALIASES.values()),
            *(POSITIONAL, HOST_FLAG, SERVERS_FLAG, CONFIG_FLAG, DOWNLOAD_FLAG),
        )
    )
)
"""Flags that this program knows by name. argparse takes an unambiguous beginning of a flag for it."""

SHORT = tuple(alias for alias in ALIASES if len(alias) == 2)
"""Flags of one letter: argparse takes what follows the letter for the value."""


def flag_of(argument: str) -> str | None:
    """The flag that an argument names, as vLLM's parser reads it; None for a value.

    The parser takes underscores for dashes, an unambiguous beginning, `--flag=value`, and `--flag.field` for a field of
    a JSON flag.
    """
    return _spelled(argument)[0]


def _spelled(argument: str) -> tuple[str | None, str | None]:
    """The flag that an argument names, and the value in the same argument; None: it has none."""
    if not re.match(r"--?[A-Za-z]", argument):
        return None, None
    head, equals, value = argument.partition("=")
    name = head.partition(".")[0].replace("_", "-")
    if name not in ALIASES and name[:2] in SHORT:
        return ALIASES[name[:2]], argument[2:]
    begun = [known for known in KNOWN if known.startswith(name)]
    full = begun[0] if len(begun) == 1 and name not in KNOWN else name
    return ALIASES.get(name, full), value if equals else None


class Flag(NamedTuple):
    """One flag of a command line."""

    place: int
    name: str
    value: str | None
    """Its value in the same argument, or the next argument unless that is a flag itself; None: it has none."""


def flags_of(arguments: Sequence[str]) -> Iterator[Flag]:
    """The flags of a command line, in their order."""
    for index, argument in enumerate(arguments):
        name, value = _spelled(argument)
        if name:
            following = arguments[index + 1] if index + 1 < len(arguments) else None
            if value is None and following is not None and flag_of(following) is None:
                value = following
            yield Flag(index, name, value)


def value_of(arguments: Sequence[str], flag: str) -> tuple[int, Any] | None:
    """Place and value of a flag, JSON read; None: it is not given.

    vLLM takes the last of several, and dotted fields (`--flag.field=value`) over the whole JSON
    (vllm/utils/argparse_utils.py `parse_args`, vLLM 0.17.1).
    """
    whole: tuple[int, Any] | None = None
    fields: tuple[int, dict[str, Any]] | None = None
    for each in flags_of(arguments):
        if each.name != flag:
            continue
        path = arguments[each.place].partition("=")[0].partition(".")[2]
        if path:
            fields = fields or (each.place, {})
            *above, last = path.removesuffix("+").split(".")
            at = fields[1]
            for key in above:
                if not isinstance(at.get(key), dict):
                    at[key] = {}
                at = at[key]
            at[last] = each.value.split(",") if path.endswith("+") and each.value else _read(each.value)
        else:
            whole = each.place, _read(each.value)
    return fields or whole


def own_attention_backend(arguments: Sequence[str]) -> tuple[int, str] | None:
    """Place and name of the attention backend that a tier's arguments choose, by flag or by JSON."""
    if (given := value_of(arguments, ATTENTION_FLAG)) and isinstance(given[1], str):
        return given
    found = value_of(arguments, ATTENTION_CONFIG)
    backend = found[1].get("backend") if found and isinstance(found[1], dict) else None
    return (found[0], str(backend)) if found and backend else None


def _read(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return text or ""
