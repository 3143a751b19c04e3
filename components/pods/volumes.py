"""Volumes of a worker. Source: the guides' values (shm, caches) and the modelservice chart (model storage)."""

from components.manifests import Fields, given
from components.plan.worker_args import ResolvedTier, VolumeArgs
from components.plan.workers import MODEL_FOLDER

CACHE = "/.cache"
SCRATCH = {"metrics-volume": "/.config", "torch-compile-cache": CACHE}
"""emptyDirs, to which any user can write. The guides mount them for images in which HOME is `/`."""


def volumes(worker: ResolvedTier) -> list[Fields]:
    """Volumes of the pod."""
    model = worker.model
    storage = (
        {"persistentVolumeClaim": _claim(model.claim, read_only=model.read_only)}
        if model.claim
        else {"emptyDir": {"sizeLimit": model.storage}}
    )
    return [
        *({"name": name, "emptyDir": {}} for name in SCRATCH),
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": worker.shm_size}},
        {"name": "model-storage", **storage},
        *(
            {"name": f"host-{index}", "hostPath": given({"path": each.host_path, "type": each.type})}
            for index, each in enumerate(worker.host_paths)
        ),
        *map(_further, worker.volumes),
    ]


def _claim(name: str, *, read_only: bool) -> Fields:
    return given({"claimName": name, "readOnly": True if read_only else None})


def _further(volume: VolumeArgs) -> Fields:
    empty = volume.empty_dir
    source = {
        "persistentVolumeClaim": _claim(volume.claim, read_only=volume.read_only) if volume.claim else None,
        "configMap": {"name": volume.config_map} if volume.config_map else None,
        "secret": {"secretName": volume.secret} if volume.secret else None,
        "emptyDir": given({"sizeLimit": empty.size_limit, "medium": empty.medium}) if empty else None,
        "csi": volume.csi,
        "ephemeral": volume.ephemeral,
    }
    return {"name": volume.name, **given(source)}


def mounts(worker: ResolvedTier) -> list[Fields]:
    """Mounts of these volumes in the vLLM container."""
    return [
        *({"name": name, "mountPath": path} for name, path in SCRATCH.items()),
        {"name": "shm", "mountPath": "/dev/shm"},  # shared memory, not a temp file
        _mount("model-storage", MODEL_FOLDER, read_only=worker.model.read_only),
        *(
            {"name": f"host-{index}", "mountPath": each.mount_path, "readOnly": each.read_only}
            for index, each in enumerate(worker.host_paths)
        ),
        *(_mount(each.name, each.mount_path, each.sub_path, read_only=each.read_only) for each in worker.volumes),
    ]


def _mount(name: str, path: str, sub_path: str | None = None, *, read_only: bool) -> Fields:
    mount = {"name": name, "mountPath": path, "subPath": sub_path, "readOnly": True if read_only else None}
    return given(mount)
