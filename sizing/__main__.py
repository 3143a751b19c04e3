"""`python -m sizing`: which layout a model, a GPU product and a load ask for, without a stack and without a cluster."""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from components.accelerators import PROFILES
from components.config.settings import Model, Serving
from components.config.vocabulary import ReleaseName
from components.releases import RELEASES
from sizing import balance, cache, layouts, source, stack_file
from sizing.balance import Estimate, Load
from sizing.card import Card
from sizing.engine import engine
from sizing.layouts import Options
from sizing.rates import efficiency
from sizing.shape import Shape
from sizing.source import SIDECAR
from sizing.transfer import Path as Way

ROOT = Path(__file__).resolve().parent.parent
SHOWN = 4
"""Layouts that are printed: the best and the three nearest."""
DEFAULT_RELEASE = Serving.model_fields["release"].default.value
DEFAULT_LENGTH: int = Model.model_fields["max_model_len"].default
DEFAULT_BLOCK: int = Model.model_fields["block_size"].default
CARDS = {name: (card, vendor) for vendor, profile in PROFILES.items() for name, card in profile.products.items()}


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sizing", description=__doc__)
    parser.add_argument("model", help="repository on the Hugging Face hub, as serving.model.name")
    parser.add_argument("--gpu", choices=sorted(CARDS), help="as serving.gpu; without it: what each would take")
    parser.add_argument("--shape", help="config.json of the model, a path in the repository, as serving.model.shape")
    parser.add_argument("--release", choices=[each.value for each in ReleaseName], help=f"default: {DEFAULT_RELEASE}")
    parser.add_argument("--max-model-len", type=int, help=f"as serving.model.maxModelLen; default: {DEFAULT_LENGTH}")
    parser.add_argument("--block-size", type=int, help=f"as serving.model.blockSize; default: {DEFAULT_BLOCK}")
    parser.add_argument("--kv-cache-dtype", default="auto")
    parser.add_argument("--input-tokens", type=int, default=4000)
    parser.add_argument("--output-tokens", type=int, default=500)
    parser.add_argument("--requests-per-second", type=float)
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--ttft", type=float, help="milliseconds")
    parser.add_argument("--itl", type=float, help="milliseconds")
    parser.add_argument("--prefix-hit-rate", type=float, default=0.0)
    parser.add_argument("--measured-prefill", type=float, help="tokens per second of one worker")
    parser.add_argument("--measured-decode", type=float, help="tokens per second of one worker")
    parser.add_argument("--gpus", type=int, help="GPUs to give away; without it: as few as carry the requests")
    parser.add_argument("--tcp", action="store_true", help="the fabric is no RDMA")
    parser.add_argument("--write", metavar="STACK", help="put the best layout into Pulumi.STACK.yaml")
    parser.add_argument("--plot", metavar="FILE", help="draw rates and memory into an SVG or PNG; needs matplotlib")
    parser.add_argument("--fetch", action="store_true", help="download config.json of the model into shapes/, and stop")
    return parser


def main(words: list[str] | None = None) -> int:
    """Exit status: 0 sized, 1 nothing fits or the shape is unknown, 2 wrong arguments."""
    given = _arguments().parse_args(words)
    if given.fetch:
        return _fetch(given.model)
    located = source.locate(given.model, given.shape, ROOT)
    if not isinstance(located.shape, Shape):
        print(f"{given.model}: {located.shape}. `python -m sizing {given.model} --fetch`, or --shape", file=sys.stderr)
        return 1
    guess = f" ({located.guessed}, guessed)" if located.guessed else ""
    token = cache.token_bytes(located.shape, 1, given.kv_cache_dtype) / 1024
    print(f"{given.model}: {_about(located.shape)}")
    print(f"shape from {located.origin}{guess}; the KV cache of a token takes {token:.1f} KiB in all")
    load = Load.of(given, given.measured_prefill, given.measured_decode)
    cards = [CARDS[given.gpu][0]] if given.gpu else [card for card, _ in CARDS.values()]
    found = [(card, layouts.layouts(_options(given, located.shape, card, given.gpus), load)) for card in cards]
    fitting = [(card, each) for card, each in found if each]
    for card, each in found:
        print()
        _print(card, each, located.shape, load)
    if not fitting:
        return 1
    if (given.write or given.plot) and not given.gpu:
        print("--write and --plot need --gpu", file=sys.stderr)
        return 2
    card, best = fitting[0][0], fitting[0][1][0]
    if given.write:
        _write(ROOT / f"Pulumi.{given.write}.yaml", given, best, load)
    return _plot(given, located.shape, card, load, best) if given.plot else 0


def _options(given: argparse.Namespace, shape: Shape, card: Card, gpus: int | None) -> Options:
    release = RELEASES[ReleaseName(given.release or DEFAULT_RELEASE)]
    flags = {"block_size": given.block_size or DEFAULT_BLOCK, "kv_cache_dtype": given.kv_cache_dtype}
    way = Way.TCP if given.tcp else Way.RDMA
    vllm, wider = engine(release.vllm), release.wider_prefill
    length = given.max_model_len or DEFAULT_LENGTH
    return Options(shape, card, vllm, length, way, gpus, wider=wider, flags=flags)


def _name(each: Estimate) -> str:
    p, d = each.prefill, each.decode
    return f"{p.count} x TP{p.worker.flags.tensor_parallel} + {d.count} x TP{d.worker.flags.tensor_parallel}"


def _about(shape: Shape) -> str:
    billions, active = shape.parameters / 1e9, shape.active / 1e9
    kind = f", {active:.1f} B of them for each token" if shape.experts else ""
    weights = shape.quantization.method or "not quantized"
    layers = ", ".join(f"{each.count} {each.kind}" for each in shape.layers)
    return f"{billions:.1f} B parameters{kind}, {layers} layers, weights {weights}"


def _print(card: Card, found: list[Estimate], shape: Shape, load: Load) -> None:
    about = efficiency(shape, card)
    print(f"{card.name}: {card.memory:.1f} GiB; rates within a factor of {1 + about.band:.2f} ({about.basis})")
    if not found:
        print("  no layout: no two workers of up to 8 GPUs hold the model and one sequence of that length for certain")
        return
    print("  layout (x TP + y TP)   GPUs  requests/s  binds    prefill  decode   TTFT ms  ITL ms  sequences P/D")
    for each in found[:SHOWN]:
        p, d = each.prefill, each.decode
        print(
            f"  {_name(each):22s} {each.gpus:4d}  {each.rate:10.2f}  {each.binds:7s}  {each.prefill_load:6.0%}  "
            f"{each.decode_load:6.0%}  {each.ttft * 1000:8.0f}  {each.itl * 1000:6.1f}  "
            f"{p.fit.sequences():.1f} / {d.fit.sequences():.1f}"
        )
    best = found[0]
    print(f"  {_reason(best, load)}")
    gain = balance.gain(best, load)
    print(f"  the same {best.gpus} GPUs aggregated: {best.limit / gain:.2f} requests/s at most (gain {gain:.2f})")
    if best.transfer:
        print(
            f"  KV cache of a prompt: {best.transfer.bytes / 1e9:.2f} GB, {best.transfer.seconds * 1000:.0f} ms alone, "
            f"up to {best.transfer.worst * 1000:.0f} ms beside others"
        )


def _reason(best: Estimate, load: Load) -> str:
    nodes = -(-best.gpus // 8)
    why = f"{best.binds} sets the limit of {best.limit:.2f} requests/s; {nodes} node(s) of 8 GPUs"
    missed = [name for name, most, value in (("ttft", load.ttft, best.ttft), ("itl", load.itl, best.itl))
              if most is not None and value > most * 1.01]  # fmt: skip
    return why + (f"; no layout meets {' and '.join(missed)}" if missed else "")


def _write(path: Path, given: argparse.Namespace, best: Estimate, load: Load) -> None:
    """Put GPU, load, replicas and tensor parallelism into a stack file; what else it says stays, comments too."""
    text = path.read_text() if path.exists() else ""
    config = (yaml.safe_load(text) or {}).get("config") or {}
    serving = config.get("llm-d-pd:serving") or {}
    asked = {
        "inputTokens": load.input_tokens,
        "outputTokens": load.output_tokens,
        "requestsPerSecond": load.requests_per_second,
        "concurrency": load.concurrency,
        "ttft": given.ttft,
        "itl": given.itl,
        "prefixHitRate": load.prefix_hit_rate or None,
        "measured": {"prefill": load.measured_prefill, "decode": load.measured_decode}
        if load.measured_prefill and load.measured_decode
        else None,
    }
    values: dict[tuple[str, ...], Any] = {
        **({} if "accelerator" in serving else {("accelerator",): CARDS[given.gpu][1].value}),
        **({} if (serving.get("model") or {}).get("name") else {("model", "name"): given.model}),
        **({("release",): given.release} if given.release else {}),
        **({("model", "maxModelLen"): given.max_model_len} if given.max_model_len else {}),
        **({("model", "blockSize"): given.block_size} if given.block_size else {}),
        ("gpu",): given.gpu,
        ("load",): {key: value for key, value in asked.items() if value},
    }
    for role, tier in (("prefill", best.prefill), ("decode", best.decode)):
        values[role, "replicas"] = tier.count
        values[role, "tensorParallel"] = tier.worker.flags.tensor_parallel
    for place, value in values.items():
        text = stack_file.put(text, ("config", "llm-d-pd:serving", *place), value)
    path.write_text(text)
    print(f"\nwritten: {path.name}")
    if given.kv_cache_dtype != "auto":
        print(f"not written: --kv-cache-dtype={given.kv_cache_dtype} belongs into extraArgs of both tiers")


def _plot(given: argparse.Namespace, shape: Shape, card: Card, load: Load, best: Estimate) -> int:
    """Draw the layouts of as many GPUs as the best one has, from one stream to 1024."""
    try:
        from sizing import plot  # noqa: PLC0415
    except ImportError:
        print("--plot needs matplotlib: `pip install matplotlib`", file=sys.stderr)
        return 2
    points = []
    for streams in (2**power for power in range(11)):
        under = load._replace(requests_per_second=None, concurrency=streams, ttft=None, itl=None)
        for each in layouts.layouts(_options(given, shape, card, best.gpus), under):
            if each.gpus == best.gpus:
                points.append(plot.Point(streams, each.itl, each.rate, _name(each)))
    title = f"{given.model} on {best.gpus} x {card.name}: {load.input_tokens} tokens in, {load.output_tokens} out"
    plot.draw(Path(given.plot), title, points, best)
    print(f"\nwritten: {given.plot}")
    return 0


def _fetch(model: str) -> int:
    """Write config.json, and hf_quant_config.json if there is one, to shapes/ of the repository."""
    folder = ROOT / "shapes" / model.replace("/", "--")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", SIDECAR):
        try:
            content = _downloaded(f"https://huggingface.co/{model}/resolve/main/{name}")
        except urllib.error.URLError as error:
            if name == SIDECAR:
                continue
            print(f"{model}: {name} cannot be downloaded: {error}. Gated models need HF_TOKEN", file=sys.stderr)
            return 1
        (folder / name).write_bytes(content)
    print(f"serving.model.shape: {(folder / 'config.json').relative_to(ROOT)}")
    return 0


def _downloaded(address: str) -> bytes:
    request = urllib.request.Request(address)
    if token := os.environ.get("HF_TOKEN"):
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        content: bytes = answer.read()
    json.loads(content)
    return content


if __name__ == "__main__":
    sys.exit(main())
