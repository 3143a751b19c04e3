"""What of a worker Pod Security's level `baseline` does not admit."""

from collections.abc import Iterator

from components.plan.worker_args import ResolvedTier


def beyond_baseline(*workers: ResolvedTier) -> list[str]:
    """In words, sorted; empty: `baseline` admits these workers."""
    return sorted({each for worker in workers for each in _of(worker)})


def _of(worker: ResolvedTier) -> Iterator[str]:
    if worker.host_network:
        yield "the host's network, privileged"
    if worker.host_paths:
        yield "files of the node (hostPath)"
    if worker.capabilities:  # `baseline` admits none of the vocabulary's
        yield f"the capabilities {', '.join(worker.capabilities)}"
