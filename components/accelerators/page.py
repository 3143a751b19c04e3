"""Writes what people read about accelerators, from their files: `python -m components.accelerators.page`.

With `--check` nothing is written; a stale page is named, exit code 1.
"""

import sys
from collections.abc import Iterable, Iterator

from components.accelerators import PROFILES, AcceleratorProfile
from components.config.generated import DOCS, filled, written
from components.config.vocabulary import Accelerator


def page() -> str:
    """The generated part of the page."""
    return "".join(_section(word, profile) for word, profile in PROFILES.items())


def _section(word: Accelerator, profile: AcceleratorProfile) -> str:
    rows = "".join(f"| {what} | {value} |\n" for what, value in _rows(profile))
    head = f"\n## {word}\n\n**{profile.title}.** Source: {profile.source}.\n\n"
    return f"{head}| what | value |\n|---|---|\n{rows}"


def _rows(profile: AcceleratorProfile) -> Iterator[tuple[str, str]]:
    yield "GPU resource", f"`{profile.gpu_resource}`"
    for release, image in profile.images.items():
        user = f"user {image.user}" if image.user else "root"
        yield f"image, release {release}", f"`{image.name}`; runs as {user}, HOME `{image.home}`"
    yield "memory of a worker", profile.memory
    yield "UCX transports of GPU memory", _code(profile.transports)
    yield "KV buffer devices", _code(profile.kv_buffer_devices)
    yield "attention backend where tensor parallelism differs", _code(filter(None, [profile.mixed_tp_attention]))
    yield "variables that both tiers must have alike", _code(profile.pair_variables)
    yield "variables of vLLM", _code(f"{name}={value}" for name, value in profile.env.items())
    yield "folders of compiled code below `/.cache`", _code(f"{name}={each}" for name, each in profile.caches.items())
    yield (
        "memory of a GPU, GiB",
        ", ".join(f"{product} {card.memory:.2f}" for product, card in profile.products.items()) or "unknown",
    )


def _code(words: Iterable[str]) -> str:
    return " ".join(f"`{word}`" for word in words) or "none"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is stale; the exit code."""
    file, module = DOCS / "accelerators.md", "components.accelerators.page"
    return written({file: filled(file, module, page())}, module, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
