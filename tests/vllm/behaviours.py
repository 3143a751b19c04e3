"""Answers of vLLM 0.17.1 to refused and accepted requests, as data: real vLLM and the simulator must agree.

Typed from vllm/sampling_params.py, vllm/renderers/params.py, vllm/entrypoints/openai/completion/protocol.py,
vllm/entrypoints/openai/server_utils.py and engine/serving.py of vLLM 0.17.1. The server must have a context of at most
32000 tokens.
"""

import re
from dataclasses import dataclass, field
from typing import Any

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
INVALID, TYPES = "BadRequestError", "Bad Request"
"""`type` of an error: the request's values, or its JSON."""


@dataclass(frozen=True)
class Behaviour:
    title: str
    path: str
    body: dict[str, Any]
    """Body with a prompt or messages, without `model`, which is the served one."""
    status: int = 400
    message: str = ""
    """Regular expression for the error's message."""
    kind: str = INVALID
    """`type` of the error."""
    params: tuple[str | None, ...] = field(default=(None,))
    """Possible values of the error's `param`."""

    def judge(self, status: int, answer: Any) -> None:
        """Compare a refusal."""
        error = answer["error"]
        assert (status, error["code"], error["type"]) == (self.status, self.status, self.kind)
        assert re.search(self.message, error["message"]), error["message"]
        assert error["param"] in self.params


def _completion(title: str, message: str, *params: str | None, kind: str = INVALID, **fields: Any) -> Behaviour:
    body = {"prompt": "a b c", **fields}
    return Behaviour(title, COMPLETIONS, body, message=message, kind=kind, params=params or (None,))


def _chat(title: str, message: str, *params: str | None, kind: str = INVALID, **fields: Any) -> Behaviour:
    body = {"messages": [{"role": "user", "content": "a b c"}], **fields}
    return Behaviour(title, CHAT, body, message=message, kind=kind, params=params or (None,))


TOO_LONG = "a " * 40_000
CONTEXT = r"However, the model's context length is only \d+ tokens, resulting in a maximum input length of \d+ tokens"

REFUSED = (
    _completion("a prompt beyond the context", CONTEXT, "input_tokens", "input_text", prompt=TOO_LONG),
    _chat(
        "messages beyond the context",
        CONTEXT,
        "input_tokens",
        "input_text",
        messages=[{"role": "user", "content": TOO_LONG}],
    ),
    _completion(
        "max_tokens beyond the context",
        r"max_tokens=1000000cannot be greater than max_model_len=max_total_tokens=\d+",
        "max_tokens",
        max_tokens=1_000_000,
    ),
    _chat(
        "max_completion_tokens beyond the context",
        "max_completion_tokens=1000000cannot be greater than max_model_len",
        "max_completion_tokens",
        max_completion_tokens=1_000_000,
    ),
    _completion("max_tokens 0", r"max_tokens must be at least 1, got 0\.", "max_tokens", max_tokens=0),
    _chat("max_tokens 0 in a chat", r"max_tokens must be at least 1, got 0\.", "max_tokens", max_tokens=0),
    _completion(
        "max_tokens -1",
        r"max_tokens must be at least 1, got -1\. \(parameter=max_tokens, value=-1\)",
        "max_tokens",
        max_tokens=-1,
    ),
    _completion(
        "min_tokens above max_tokens",
        r"min_tokens must be less than or equal to max_tokens=1, got 5\.",
        max_tokens=1,
        min_tokens=5,
    ),
    _completion("min_tokens -1", r"min_tokens must be greater than or equal to 0, got -1\.", min_tokens=-1),
    _completion(
        "temperature -1",
        r"temperature must be non-negative, got -1\.0\. \(parameter=temperature, value=-1\.0\)",
        "temperature",
        temperature=-1,
    ),
    _completion("top_p 0", r"top_p must be in \(0, 1\], got 0\.0\.", "top_p", top_p=0),
    _completion("top_k -2", r"top_k must be 0 \(disable\), or at least 1, got -2\.", top_k=-2),
    _completion("min_p 2", r"min_p must be in \[0, 1\], got 2\.0\.", min_p=2),
    _completion("presence_penalty 3", r"presence_penalty must be in \[-2, 2\], got 3\.0\.", presence_penalty=3),
    _completion("repetition_penalty 0", "repetition_penalty must be greater than zero", repetition_penalty=0),
    _completion("n 0", r"n must be at least 1, got 0\.", n=0),
    _completion("n 2, greedy", r"n must be 1 when using greedy sampling, got 2\.", n=2, temperature=0),
    _completion("max_tokens in words", "Input should be a valid integer", kind=TYPES, max_tokens="many"),
    _completion("max_tokens in a list", "Input should be a valid integer", kind=TYPES, max_tokens=[1]),
    _completion("temperature in words", "Input should be a valid number", kind=TYPES, temperature="warm"),
    _completion("stream in words", "Input should be a valid boolean", kind=TYPES, stream="perhaps"),
    _completion("a prompt that is an object", "Input should be a valid string", kind=TYPES, prompt={"text": "a"}),
    _completion("no prompt", "Either prompt or prompt_embeds must be provided and non-empty", kind=TYPES, prompt=None),
    _chat("messages that are text", "Input should be a valid list", kind=TYPES, messages="a"),
    _completion(
        "stream_options without stream",
        "Stream options can only be defined when `stream=True`",
        "stream_options",
        kind=TYPES,
        stream_options={"include_usage": True},
    ),
)
"""Requests that are refused."""

_MOST_TOKENS = list(range(200))
"""Most of the tiny model's 256 tokens, so that an answer without a limit ends soon."""
TAKEN = (
    Behaviour("numbers in text", COMPLETIONS, {"prompt": "a", "max_tokens": "2", "temperature": "0.5"}, status=200),
    Behaviour("a whole fraction", COMPLETIONS, {"prompt": "a", "max_tokens": 2.0}, status=200),
    Behaviour("nulls", COMPLETIONS, {"prompt": "a", "max_tokens": 2, "temperature": None, "stop": None}, status=200),
    Behaviour("an unknown field", COMPLETIONS, {"prompt": "a", "max_tokens": 2, "unheard_of": 1}, status=200),
    Behaviour("min_tokens", COMPLETIONS, {"prompt": "a", "max_tokens": 4, "min_tokens": 2}, status=200),
    Behaviour("token ids", COMPLETIONS, {"prompt": [1, 2, 3], "max_tokens": 2}, status=200),
    Behaviour(
        "a chat without a limit",
        CHAT,
        {"messages": [{"role": "user", "content": "a"}], "stop_token_ids": _MOST_TOKENS},
        status=200,
    ),
)
"""Unusual requests that are answered. The endpoint picker refuses token ids, so ask a model server directly."""
