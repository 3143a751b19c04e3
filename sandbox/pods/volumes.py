"""The volumes of one pod, as folders for its containers' mountPaths, and its ServiceAccount's tokens.

They are in the pod runner's tmpfs, so that secrets reach no disk and no file remains. Claims are folders of the sandbox
that survive pods, and belong to root like new volumes. ConfigMaps, Secrets and tokens are read again while the pod
runs, and replaced in one step, through the same `..data` link as on a real node.
"""

import base64
import os
import shutil
import stat
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from components.quantity import amount
from sandbox.cluster import namespaces
from sandbox.cluster.api import Api, Object
from sandbox.pods.containers import Lookup, field_value, resource
from sandbox.pods.launch import Bind

_RENEWED_AFTER = 0.8
"""Part of a token's lifetime after which a kubelet renews it."""


@dataclass
class Tokens:
    """Tokens bound to pods: valid until the pod ends, and renewed while it runs."""

    api: Api
    _held: dict[tuple[str, str, int], tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, pod: Object, wanted: Object) -> str:
        """Return a token for a serviceAccountToken source. Raises `ApiError` when the server refuses one."""
        metadata, seconds = pod["metadata"], int(wanted.get("expirationSeconds", 3600))
        key = (metadata["uid"], wanted.get("audience", ""), seconds)
        with self._lock:
            token, renewal = self._held.get(key, ("", 0.0))
        if time.monotonic() < renewal:
            return token
        account = pod["spec"].get("serviceAccountName", "default")
        spec: Object = {
            "expirationSeconds": seconds,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]},
        }
        if wanted.get("audience"):
            spec["audiences"] = [wanted["audience"]]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        token = str(self.api.create(path, request)["status"]["token"])
        with self._lock:
            self._held[key] = (token, time.monotonic() + seconds * _RENEWED_AFTER)
        return token

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod that is gone."""
        with self._lock:
            self._held = {key: held for key, held in self._held.items() if key[0] != uid}


_FILES = ("File", "FileOrCreate", "Socket", "CharDevice", "BlockDevice")
_READ_ONLY = {"configMap", "secret", "downwardAPI", "projected", "hostPath"}
"""As on a real node, except hostPath, which must not write to this machine."""
_OF_NODES = {"/home/kubernetes/bin/gib": "scripts/set_nccl_env.sh"}
"""Files that workers need in such a folder of a node; here they exist and are empty, because there is no NCCL."""
_OF_FOLDER, _OF_FILE = stat.S_ISGID | 0o770, 0o660
"""Permissions that a kubelet adds for an fsGroup."""
_Files = dict[str, tuple[bytes, int]]
"""Path within the volume → content and permissions."""


class MountError(Exception):
    """A volume is not ready yet; the text is a kubelet's."""


@dataclass
class Volumes:
    """The volumes of `pod` below `folder`; `claims` holds those of PersistentVolumeClaims."""

    pod: Object
    folder: Path
    claims: Path
    lookup: Lookup
    tokens: Tokens

    def prepare(self) -> None:
        """Write or renew the files of the volumes. Raises `MountError`."""
        for volume in self.pod["spec"].get("volumes", []):
            place = self.folder / volume["name"]
            if "emptyDir" in volume:
                _empty(volume["emptyDir"], place)
            elif (files := self._files(volume)) is not None:
                place.mkdir(parents=True, exist_ok=True)
                _replace(place, files)

    def binds(self, container: Object) -> list[Bind]:
        """Return a container's mounts. Raises `MountError`."""
        volumes = {volume["name"]: volume for volume in self.pod["spec"].get("volumes", [])}
        return [self._bind(mount, volumes[mount["name"]]) for mount in container.get("volumeMounts", [])]

    def discard(self) -> None:
        """Delete all volumes except claims."""
        for volume in self.pod["spec"].get("volumes", []):
            place = self.folder / volume["name"]
            if place.is_mount():
                namespaces.unmount(str(place))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _bind(self, mount: Object, volume: Object) -> Bind:
        source = self._source(volume)
        if sub := mount.get("subPath"):
            source = source / sub
            if not source.exists():
                source.mkdir(parents=True)
        read_only = bool(mount.get("readOnly")) or bool(volume.keys() & _READ_ONLY)
        return {"source": str(source), "target": mount["mountPath"].rstrip("/"), "read_only": read_only}

    def _source(self, volume: Object) -> Path:
        if "hostPath" in volume:
            return _of_host(volume["hostPath"], self.folder / str(volume["name"]))
        if "persistentVolumeClaim" in volume:
            name = volume["persistentVolumeClaim"]["claimName"]
            claim = self.claims / f"{self.pod['metadata']['namespace']}_{name}"
            claim.mkdir(parents=True, exist_ok=True)
            _give(claim, self.pod["spec"].get("securityContext", {}))
            return claim
        return self.folder / str(volume["name"])

    def _files(self, volume: Object) -> _Files | None:
        if "projected" in volume:
            projected = volume["projected"]
            mode = projected.get("defaultMode", 0o644)
            return {path: file for source in projected["sources"] for path, file in self._projected(source, mode)}
        for kind in ("configMap", "secret", "downwardAPI"):
            if kind in volume:
                return dict(self._projected({kind: volume[kind]}, volume[kind].get("defaultMode", 0o644)))
        if volume.keys() & {"hostPath", "persistentVolumeClaim"}:
            return None
        raise MountError(f"the sandbox has no volumes like {volume['name']!r}: {', '.join(volume.keys() - {'name'})}")

    def _projected(self, source: Object, mode: int) -> Sequence[tuple[str, tuple[bytes, int]]]:
        if "serviceAccountToken" in source:
            wanted = source["serviceAccountToken"]
            return [(wanted["path"], (self.tokens.get(self.pod, wanted).encode(), mode))]
        if "downwardAPI" in source:
            items = source["downwardAPI"].get("items", [])
            return [(item["path"], (self._downward(item).encode(), item.get("mode", mode))) for item in items]
        if "configMap" in source or "secret" in source:
            kind = "configmap" if "configMap" in source else "secret"
            return self._keys(kind, source.get("configMap") or source["secret"], mode)
        raise MountError(f"the sandbox cannot project {', '.join(source)}")

    def _keys(self, kind: str, source: Object, mode: int) -> Sequence[tuple[str, tuple[bytes, int]]]:
        name = source.get("name") or source["secretName"]
        found = self.lookup(kind, name)
        if found is None:
            if source.get("optional"):
                return []
            raise MountError(f'{kind} "{name}" not found')
        content = {key: text.encode() for key, text in found.get("data", {}).items()}
        content |= {key: base64.b64decode(text) for key, text in found.get("binaryData", {}).items()}
        if not source.get("items"):
            return [(key, (data, mode)) for key, data in content.items()]
        missing = [item["key"] for item in source["items"] if item["key"] not in content]
        if missing and not source.get("optional"):
            raise MountError(f"references non-existent {kind} key: {missing[0]}")
        kept = [item for item in source["items"] if item["key"] in content]
        return [(item["path"], (content[item["key"]], item.get("mode", mode))) for item in kept]

    def _downward(self, item: Object) -> str:
        if "fieldRef" in item:
            return field_value(item["fieldRef"]["fieldPath"], self.pod)
        spec = self.pod["spec"]
        return resource(item["resourceFieldRef"], [*spec.get("initContainers", []), *spec["containers"]], None)


def _empty(source: Object, place: Path) -> None:
    if place.exists():
        return
    place.mkdir(parents=True)
    if source.get("medium") == "Memory":
        limit = f",size={int(amount(source['sizeLimit']))}" if source.get("sizeLimit") else ""
        namespaces.mount("tmpfs", str(place), f"mode=1777{limit}")
    place.chmod(0o777)


def _give(claim: Path, context: Object) -> None:
    """Give the files of a volume to the pod's fsGroup, as a kubelet does (pkg/volume/volume_linux.go).

    In a user namespace with one group, nothing changes.
    """
    group = context.get("fsGroup")
    if group is None:
        return
    status = claim.stat()
    done = status.st_gid == group and status.st_mode & _OF_FOLDER == _OF_FOLDER
    if done and context.get("fsGroupChangePolicy") == "OnRootMismatch":
        return
    with suppress(PermissionError):
        for each in (claim, *claim.rglob("*")):
            if not each.is_symlink():
                os.chown(each, -1, group)
                each.chmod(stat.S_IMODE(each.stat().st_mode) | (_OF_FOLDER if each.is_dir() else _OF_FILE))


def _of_host(source: Object, stand_in: Path) -> Path:
    """Return the machine's file or folder; if there is none, an empty one, because this is no GPU server."""
    path = Path(source["path"])
    if path.exists():
        return path
    if source.get("type", "") in _FILES:
        stand_in.touch()
    else:
        stand_in.mkdir(exist_ok=True)
        if needed := _OF_NODES.get(source["path"].rstrip("/")):
            (stand_in / needed).parent.mkdir(exist_ok=True)
            (stand_in / needed).touch()
    return stand_in


def _replace(place: Path, files: _Files) -> None:
    """Replace the contents in one step; do nothing if they are the same."""
    current = place / "..data"
    if current.exists() and _read(current) == {path: content for path, (content, _) in files.items()}:
        return
    fresh = place / f"..{time.monotonic_ns()}"
    for path, (content, mode) in files.items():
        file = fresh / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
    fresh.mkdir(exist_ok=True)
    old = current.resolve() if current.exists() else None
    link = place / "..data_tmp"
    link.symlink_to(fresh.name)
    link.rename(current)
    for top in {path.partition("/")[0] for path in files}:
        if not os.path.lexists(place / top):
            (place / top).symlink_to(f"..data/{top}")
    for entry in place.iterdir():
        if entry.is_symlink() and not entry.exists():
            entry.unlink()
    if old:
        shutil.rmtree(old)


def _read(folder: Path) -> dict[str, bytes]:
    folder = folder.resolve()
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
