"""`python model.py <folder> <cache>`: a tiny random Llama with its tokenizer, made without downloads.

`cache` becomes a folder with what vLLM otherwise finds out at its start and keeps below VLLM_CACHE_ROOT.

It runs in the environment of real vLLM. Weights come from a fixed seed, so every machine makes the same model. They are
larger than usual, so that answers depend on the prompt; text means nothing.
"""

import os
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from vllm.model_executor.models.registry import ModelRegistry

POSITIONS = 131072
"""Longest prompt plus answer, in tokens; the RoPE has no limit of its own."""
SEED = 1
SPREAD = 0.1
"""Standard deviation of the weights. With the usual 0.02 the model repeats one token whatever the prompt is; with 0.3 a
rounding error, as between one rank and two, changes an answer after six tokens."""
_SPREAD_OF_LOGITS = 0.3

_SPOKEN = "Ġabcdefghijklmnopqrstuvwxyz"
"""Tokens of answers, the space first. Each other one has the logit 0, and the largest of these is well above it."""
_CHAT = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token for each byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(("<s>", "</s>", *alphabet))}
    bytes_only = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=bytes_only, bos_token="<s>", eos_token="</s>", model_max_length=POSITIONS
    )
    made.chat_template = _CHAT
    return made


def inspect(cache: Path) -> None:
    """Let vLLM inspect the class of the model: it does so in a process of its own, which imports all of vLLM again."""
    os.environ["VLLM_CACHE_ROOT"] = str(cache)
    ModelRegistry.models["LlamaForCausalLM"].inspect_model_cls()
    for file in cache.rglob("*.json"):
        file.chmod(0o644)  # servers of any user read it


def main(folder: Path, cache: Path) -> None:
    """Write configuration, weights, tokenizer and cache."""
    tokens = tokenizer()
    tokens.save_pretrained(folder)
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokens),
            hidden_size=256,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=8,
            num_key_value_heads=4,  # two for each rank of tensor parallelism 2
            max_position_embeddings=POSITIONS,
            initializer_range=SPREAD,
            bos_token_id=0,
            eos_token_id=1,
        )
    ).to(torch.bfloat16)
    spoken = set(tokens.convert_tokens_to_ids(list(_SPOKEN)))
    with torch.no_grad():
        model.lm_head.weight.mul_(_SPREAD_OF_LOGITS / SPREAD)
        for number in set(range(len(tokens))) - spoken:
            model.lm_head.weight[number] = 0
    model.save_pretrained(folder)
    inspect(cache)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
