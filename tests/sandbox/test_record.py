"""Ending a keeper works from any process, also from one with a thousand open files."""

import os
import resource
import signal
import subprocess

from sandbox.cluster.record import Keeper, started

MANY = 1100
"""More than `select` can take."""


def test_a_keeper_is_ended_however_many_files_are_open() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY), hard))
    keeper = subprocess.Popen(["sleep", "60"])
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(MANY)]
    try:
        assert Keeper(keeper.pid, started(keeper.pid), port=1, isolated=True).end(signal.SIGTERM, 5)
        assert keeper.wait(timeout=5) == -signal.SIGTERM
    finally:
        keeper.kill()
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
