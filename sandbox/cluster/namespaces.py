"""Linux system calls that Python 3.11 lacks, and a program that runs one command inside a sandbox (`lifecycle.enter`).

There are three processes above such a command, because a process enters another process namespace only by forking: one
outside, one in the sandbox, and the first process of the command's own namespace. Each dies with its parent and with
the sandbox. So the kernel ends the command and its children when any of them is killed.
"""

import ctypes
import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

NEW_MOUNTS = 0x00020000
NEW_HOSTNAME = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PIDS = 0x20000000
NEW_NETWORK = 0x40000000

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x2, 0x4, 0x8
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_SLAVE = 0x1000, 0x4000, 0x40000, 0x80000
_MNT_DETACH = 2
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1  # on all architectures
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_USERS = 65535  # ids of container images besides root
_CAPABILITIES = 41
_KEPT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}  # capabilities of a container that asks for none

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: "int | bytes | ctypes.Array[ctypes.c_uint64] | None") -> None:
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def unshare(flags: int) -> None:
    """Move into new namespaces of the kinds in `flags`."""
    _call("unshare", flags)


def unshare_users(flags: int = 0) -> None:
    """Move into a new user namespace and new namespaces of the kinds in `flags`, as root inside.

    Other users inside are this user's subordinate ids, if the machine has them and newuidmap, because only root may
    map them. Without them, root is the only user.
    """
    process, user, group = os.getpid(), os.getuid(), os.getgid()
    waiting, done = os.pipe()
    outside = os.fork()
    if outside == 0:
        os.close(done)
        os.read(waiting, 1)
        os._exit(_map_subordinate(process, user, group))
    os.close(waiting)
    try:
        _call("unshare", NEW_USER | flags)
    finally:
        os.close(done)
        refused = os.waitpid(outside, 0)[1]
    if refused:
        for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{file}", "w") as map_file:  # noqa: PTH123  (pathlib would retry a refused write)
                map_file.write(text)


def _map_subordinate(process: int, user: int, group: int) -> int:
    """Map all users and groups of a container in the new namespace of `process`; return 0 for success."""
    for command, file, own in (("newuidmap", "/etc/subuid", user), ("newgidmap", "/etc/subgid", group)):
        first, count = _subordinate(file, user)
        words = [command, process, 0, own, 1, 1, first, count]
        if count < _USERS or os.spawnvp(os.P_WAIT, command, [str(word) for word in words]):
            return 1
    return 0


def _subordinate(file: str, user: int) -> tuple[int, int]:
    """Return the first id and the number of ids that subuid(5) or subgid(5) gives a user; (0, 0) for none."""
    import pwd  # noqa: PLC0415  (this module starts in front of every command)

    try:
        names = {str(user), pwd.getpwuid(user).pw_name}
        with open(file) as lines:  # noqa: PTH123
            found = [line.strip().split(":") for line in lines]
    except (KeyError, OSError):
        return 0, 0
    return next(((int(one[1]), int(one[2])) for one in found if len(one) == 3 and one[0] in names), (0, 0))


def join(pid: int, *names: str) -> None:
    """Enter namespaces of process `pid`, by their names in /proc/<pid>/ns, and keep the working directory."""
    here = os.getcwd()  # noqa: PTH109  (no pathlib: this starts in front of every command)
    move_into(pid, *names)
    os.chdir(here)


def move_into(pid: int, *names: str) -> None:
    """Enter namespaces of process `pid`. With "mnt", working directory and root become that process's root."""
    files = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names]
    for file in files:
        enter(file)
        os.close(file)


def enter(file: int) -> None:
    """Enter the namespace of an open file in /proc/…/ns. A network namespace changes for this thread only."""
    _call("setns", file, 0)


def mount_proc() -> None:
    """Mount a /proc of this process namespace, visible in this mount namespace only."""
    _call("mount", None, b"/", None, _MS_REC | _MS_SLAVE, None)
    _call("mount", b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def make_private() -> None:
    """Separate mounts here from mounts in other namespaces, in both directions."""
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)


def mount(kind: str, target: str, options: str = "") -> None:
    """Mount a new file system of a kind such as tmpfs or proc."""
    _call("mount", kind.encode(), target.encode(), kind.encode(), _MS_NOSUID, options.encode())


def unmount(target: str) -> None:
    """Unmount at once, even if a process still uses the mount."""
    _call("umount2", target.encode(), _MNT_DETACH)


def bind(source: str, target: str, *, read_only: bool) -> None:
    """Bind a file or folder, with all mounts below it, to a second path."""
    _call("mount", source.encode(), target.encode(), None, _MS_BIND | _MS_REC, None)
    if read_only:
        set_read_only(target, _AT_RECURSIVE)


def set_read_only(target: str, flags: int = 0) -> None:
    """Make a mount read-only."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    _call("syscall", _SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode(), flags, attributes, ctypes.sizeof(attributes))


def change_root(folder: str) -> None:
    """Make a mounted folder the root of this mount namespace; nothing outside stays reachable."""
    os.chdir(folder)
    _call("pivot_root", b".", b".")
    unmount(".")
    os.chdir("/")


def limit(user: int, group: int, groups: list[int], *, dropped: bool, confined: bool) -> None:
    """Limit the next executed program to the rights of a container without special settings.

    With `dropped` it has no capability, with `confined` no program gives it more rights. It runs as `user` and `group`
    with the supplementary `groups`, unless this user namespace has only one user.
    """
    for capability in range(_CAPABILITIES):
        if dropped or capability not in _KEPT:
            _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
    if confined:
        _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    try:
        os.setgroups(groups)
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
    die_with_parent()  # the kernel resets this after a change of the user


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants when their own parent ends."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


_FROM_KERNEL = 0x80  # si_code of a signal from the terminal, which also sends it to the command
_PASSED_ON = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}


def main() -> NoReturn:
    """Enter the sandbox, run the command, and exit with its code, or 128 + the signal that ended it."""
    keeper, command = int(sys.argv[1]), sys.argv[2:]
    terminal = os.tcgetpgrp(0) if os.isatty(0) else None
    user = () if os.getuid() == 0 else ("user",)
    try:
        join(keeper, *user, "net", "mnt", "pid")
    except (FileNotFoundError, ProcessLookupError):
        sys.exit(f"{command[0]}: the sandbox has been stopped: start it with `make up`")
    code = _run(lambda: _in_sandbox(command))
    if terminal:  # a shell inside has taken the terminal; the caller needs Ctrl-C again
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, terminal)
    sys.exit(code)


def _in_sandbox(command: list[str]) -> NoReturn:
    unshare(NEW_PIDS | NEW_MOUNTS)
    os._exit(_run(lambda: _as_first_process(command)))


def _as_first_process(command: list[str]) -> NoReturn:
    mount_proc()
    os._exit(_run(lambda: _execute(command)))


def _execute(command: list[str]) -> NoReturn:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(127)


def _run(body: Callable[[], NoReturn]) -> int:
    """Fork and run `body` in the child; pass signals on and collect ended processes; return the child's code."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON | {signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        die_with_parent()
        body()
    while True:
        event = signal.sigwaitinfo(_PASSED_ON | {signal.SIGCHLD})
        if event.si_signo != signal.SIGCHLD:
            if event.si_code != _FROM_KERNEL:
                os.kill(child, event.si_signo)
            continue
        while (ended := _ended())[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
                return code if code >= 0 else 128 - code


def _ended() -> tuple[int, int]:
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 0, 0


def delete_folder() -> None:
    """Delete the folder that the first argument names."""
    unshare_users()
    shutil.rmtree(sys.argv[1])
