"""Volumes of a worker. Source: the guides' values (shm, caches) and the modelservice chart (model storage)."""

import pulumi_kubernetes as k8s

from components.plan.worker_args import ResolvedTier, VolumeArgs
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
        *map(_further, worker.volumes),
    ]


def _further(volume: VolumeArgs) -> k8s.core.v1.VolumeArgs:
    core = k8s.core.v1
    return core.VolumeArgs(
        name=volume.name,
        persistent_volume_claim=core.PersistentVolumeClaimVolumeSourceArgs(
            claim_name=volume.claim, read_only=True if volume.read_only else None
        )
        if volume.claim
        else None,
        config_map=core.ConfigMapVolumeSourceArgs(name=volume.config_map) if volume.config_map else None,
        secret=core.SecretVolumeSourceArgs(secret_name=volume.secret) if volume.secret else None,
        empty_dir=core.EmptyDirVolumeSourceArgs(size_limit=volume.empty_dir.size_limit, medium=volume.empty_dir.medium)
        if volume.empty_dir
        else None,
        csi=volume.csi,  # type: ignore[arg-type]  # a user's, passed on as written
        ephemeral=volume.ephemeral,  # type: ignore[arg-type]  # a user's, passed on as written
    )


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
        *(
            k8s.core.v1.VolumeMountArgs(
                name=each.name,
                mount_path=each.mount_path,
                sub_path=each.sub_path,
                read_only=True if each.read_only else None,
            )
            for each in worker.volumes
        ),
    ]
