"""The Linux calls that the sandbox needs and Python 3.11 lacks."""

import ctypes
import os
import signal

NEW_MOUNTS = 0x00020000
NEW_USER = 0x10000000
NEW_PIDS = 0x20000000
NEW_NETWORK = 0x40000000

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_SLAVE = 0x2, 0x4, 0x8, 0x4000, 0x80000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: int | bytes | None) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones; with NEW_USER, stay this user but be root in there."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", flags)
    if flags & NEW_USER:
        for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{file}", "w") as map_file:  # noqa: PTH123  (pathlib would retry a refused write)
                map_file.write(text)


def join(pid: int, *names: str) -> None:
    """Enter namespaces of process `pid`, by their names in /proc/<pid>/ns, and keep the working directory."""
    here = os.getcwd()  # noqa: PTH109  (no pathlib: this starts in front of every command)
    files = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names]
    for file in files:
        _call("setns", file, 0)
        os.close(file)
    os.chdir(here)


def mount_proc() -> None:
    """Give this mount namespace a /proc that shows this process namespace; nothing mounted here gets out."""
    _call("mount", None, b"/", None, _MS_REC | _MS_SLAVE, None)
    _call("mount", b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def die_with_parent() -> None:
    """Let the kernel end this process when its parent ends, however that ends."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
