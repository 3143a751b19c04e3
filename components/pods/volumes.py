"""Volumes of a worker. Source: the guides' values (shm, caches) and the modelservice chart (model storage)."""

import pulumi_kubernetes as k8s

from components.plan.worker_args import ResolvedTier
from components.plan.workers import MODEL_FOLDER

CACHE = "/.cache"
SCRATCH = {"metrics-volume": "/.config", "torch-compile-cache": CACHE}
"""emptyDirs, to which any user can write. The guides mount them for images in which HOME is `/`."""


def volumes(worker: ResolvedTier) -> list[k8s.core.v1.VolumeArgs]:
    """Volumes of the pod."""
    model = worker.model
    storage = (
        k8s.core.v1.VolumeArgs(
            name="model-storage",
            persistent_volume_claim=k8s.core.v1.PersistentVolumeClaimVolumeSourceArgs(
                claim_name=model.claim, read_only=True if model.read_only else None
            ),
        )
        if model.claim
        else k8s.core.v1.VolumeArgs(
            name="model-storage", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit=model.storage)
        )
    )
    shm = k8s.core.v1.EmptyDirVolumeSourceArgs(medium="Memory", size_limit=worker.shm_size)
    return [
        *(k8s.core.v1.VolumeArgs(name=name, empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs()) for name in SCRATCH),
        k8s.core.v1.VolumeArgs(name="shm", empty_dir=shm),
        storage,
        *(
            k8s.core.v1.VolumeArgs(
                name=f"host-{index}",
                host_path=k8s.core.v1.HostPathVolumeSourceArgs(path=each.host_path, type=each.type),
            )
            for index, each in enumerate(worker.host_paths)
        ),
    ]


def mounts(worker: ResolvedTier) -> list[k8s.core.v1.VolumeMountArgs]:
    """Where the vLLM container sees them."""
    return [
        *(k8s.core.v1.VolumeMountArgs(name=name, mount_path=path) for name, path in SCRATCH.items()),
        k8s.core.v1.VolumeMountArgs(name="shm", mount_path="/dev/shm"),  # shared memory, not a temp file
        k8s.core.v1.VolumeMountArgs(
            name="model-storage", mount_path=MODEL_FOLDER, read_only=True if worker.model.read_only else None
        ),
        *(
            k8s.core.v1.VolumeMountArgs(name=f"host-{index}", mount_path=each.mount_path, read_only=each.read_only)
            for index, each in enumerate(worker.host_paths)
        ),
    ]
