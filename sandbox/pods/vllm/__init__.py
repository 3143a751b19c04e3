"""`vllm serve` in a container of the sandbox: vLLM's command line, answered by the simulator llm-d-inference-sim.

Every flag is checked as the vLLM version of the image would check it; a command line that vLLM refuses ends the
container as it ends vLLM. The simulator obeys the model, --host, --port, --api-key (and VLLM_API_KEY), --root-path,
--ssl-certfile, --ssl-keyfile, --served-model-name, --max-model-len, --max-num-seqs and --seed. Flags that change what
the server answers or how it is reached, and that the simulator cannot obey, end the container (`_REFUSED`). Everything
else changes nothing here: parallelism, memory, quantization and attention, KV transfer (the KV blocks that the sidecar
announces are not moved, and no process listens on the NIXL side channel), logging. --config and commands besides
`serve` are refused. Other variables of the environment (VLLM_*, UCX_*) are the container's, and the simulator ignores
them. With `--die-on-failed-handshake` in SANDBOX_SIMULATOR it listens on the side channel that
VLLM_NIXL_SIDE_CHANNEL_HOST and VLLM_NIXL_SIDE_CHANNEL_PORT name, and a decode worker that does not reach the side
channel of a prefill worker ends as vLLM 0.17.1 does.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import NoReturn

from sandbox.pods.vllm.parser import VERSIONS, parser, plain

_ALWAYS = ("--force-dummy-tokenizer", "--mode=random")
"""Without them, a real model's name needs a tokenizer service, and echo mode ignores max_tokens."""
_MODEL = "Qwen/Qwen3-0.6B"
"""vLLM's default model."""
_MODEL_LENGTH, _SEQUENCES = 131072, 256
"""Defaults of vLLM with Llama 3.3, because the simulator's are 1024 and 5."""

_REFUSED = ("headless", "lora_modules", "middleware", "ssl_ca_certs", "ssl_cert_reqs", "tokens_only", "uds")
"""Flags of the server that the simulator can't obey."""


def main(words: Sequence[str], *, version: str, simulator: str, more: Sequence[str]) -> NoReturn:
    """Become the simulator, or exit as vLLM does. The simulator arguments `more` win over all others."""
    arguments = translated(words, version)
    os.execv(simulator, [simulator, *arguments, *more])


def translated(words: Sequence[str], version: str) -> list[str]:
    """Return the simulator's arguments for a command line after `vllm`. Raises `SystemExit` as vLLM's parser does."""
    _, _, level = VERSIONS[version]
    if words[:1] == ["serve"]:
        words = ["serve", *plain(words[1:], level)]
    vllm = parser(version)
    given = vllm.parse_args(words)
    if given.config:
        vllm.error("the sandbox reads no --config file: give its settings as flags")
    if given.model_tag is None and given.served_model_name:
        sys.exit("ValueError: `model` should be provided as the first positional argument when using `vllm serve`.")
    for name in _REFUSED:
        if getattr(given, name, None):
            vllm.error(f"the sandbox's simulator does not know --{name.replace('_', '-')}: its answers would be others")
    _make_cache(given.model_tag or _MODEL)
    return [*_arguments(given), *_server(given, version)]


def _make_cache(model: str) -> None:
    """Make the folder for downloads of weights. If that is refused, exit with the message of transformers.

    Source: huggingface/transformers v4.57.1, src/transformers/utils/hub.py `cached_files`.
    """
    home = os.environ.get("HF_HOME")
    if not home or os.path.isdir(model):  # noqa: PTH112  (pathlib costs each container's start 20 ms)
        return
    try:
        os.makedirs(f"{home}/hub", exist_ok=True)  # noqa: PTH103
    except PermissionError as error:
        sys.exit(
            f"OSError: PermissionError at {error.filename} when downloading {model}. Check cache directory "
            "permissions. Common causes: 1) another user is downloading the same model (please wait); 2) a previous "
            "download was canceled and the lock file needs manual removal."
        )


def _server(given: Namespace, version: str) -> list[str]:
    """Return the flags of the server's address, TLS and version."""
    keys = given.api_key or [key for key in [os.environ.get("VLLM_API_KEY")] if key]
    flags = {"host": given.host, "root-path": given.root_path}
    flags |= {"ssl-certfile": given.ssl_certfile, "ssl-keyfile": given.ssl_keyfile}
    return [
        f"--vllm-version={version}",
        *(f"--{name}={value}" for name, value in flags.items() if value),
        *(f"--api-key={key}" for key in keys),
    ]


def _arguments(given: Namespace) -> list[str]:
    model = given.model_tag or _MODEL
    length = given.max_model_len if (given.max_model_len or -1) > 0 else _MODEL_LENGTH
    arguments = [f"--model={model}", *_ALWAYS, f"--port={given.port or 8000}", f"--max-model-len={length}"]
    arguments.append(f"--max-num-seqs={given.max_num_seqs or _SEQUENCES}")
    if given.seed is not None:
        arguments.append(f"--seed={given.seed}")
    if given.served_model_name:
        arguments += ["--served-model-name", *given.served_model_name]
    return arguments
