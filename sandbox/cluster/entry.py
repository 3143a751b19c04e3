"""Runs one command inside a sandbox: `python -c … <keeper's pid> <command> …`, see `lifecycle.enter`.

There are three processes above the command, because a process enters another process namespace only by forking: one
outside, one in the sandbox, and the first process of the command's own namespace. Each dies with its parent and with
the sandbox. So the kernel ends the command and its children when any of them is killed.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from sandbox.cluster import namespaces

_FROM_KERNEL = 0x80  # si_code of a signal from the terminal, which also sends it to the command
_PASSED_ON = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}


def main() -> NoReturn:
    """Enter the sandbox, run the command, and exit with its code, or 128 + the signal that ended it."""
    keeper, command = int(sys.argv[1]), sys.argv[2:]
    terminal = os.tcgetpgrp(0) if os.isatty(0) else None
    user = () if os.getuid() == 0 else ("user",)
    try:
        namespaces.join(keeper, *user, "net", "mnt", "pid")
    except (FileNotFoundError, ProcessLookupError):
        sys.exit(f"{command[0]}: the sandbox has been stopped: start it with `make up`")
    code = _run(lambda: _in_sandbox(command))
    if terminal:  # a shell inside has taken the terminal; the caller needs Ctrl-C again
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, terminal)
    sys.exit(code)


def _in_sandbox(command: list[str]) -> NoReturn:
    namespaces.unshare(namespaces.NEW_PIDS | namespaces.NEW_MOUNTS)
    os._exit(_run(lambda: _as_first_process(command)))


def _as_first_process(command: list[str]) -> NoReturn:
    namespaces.mount_proc()
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
        namespaces.die_with_parent()
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
    namespaces.unshare_users()
    shutil.rmtree(sys.argv[1])
