"""One run of a Pulumi program: what the engine gives it, how it is started, how its failures are told."""

import asyncio
import contextlib
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pulumi
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2 as pb

MONITOR_GONE = "Resource monitor has terminated, shutting down"
"""The SDK's words when the engine has failed and hung up; the engine has told the reason by then."""


class Program:
    """A program and the settings of one run of it."""

    def __init__(self, request: pb.RunRequest, engine_address: str) -> None:
        self._request = request
        self._engine_address = engine_address

    def run(self) -> pb.RunResponse:
        """Run to the end. `bail` says that the failure has been reported already, by us or by the engine."""
        self._configure()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        workers = max(self._request.parallel, 1) * 4  # as the official host: RPCs block a thread each
        loop.set_default_executor(ThreadPoolExecutor(max_workers=workers))
        # A failed run leaves futures that nobody reads; asyncio's complaints about them would only hide the error.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        try:
            loop.run_until_complete(run_in_stack(self._main))
            return pb.RunResponse()
        except BaseException as error:
            return _told(error)
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
                with contextlib.suppress(BaseException):
                    loop.run_until_complete(task)
            sys.stdout.flush()
            sys.stderr.flush()

    def _configure(self) -> None:
        request = self._request
        reset_options(
            project=request.project,
            stack=request.stack,
            root_directory=request.info.root_directory,
            parallel=request.parallel,
            engine_address=self._engine_address,
            monitor_address=request.monitor_address,
            preview=request.dryRun,
            organization=request.organization or "organization",
        )
        set_all_config(dict(request.config), list(request.configSecretKeys))

    def _main(self) -> None:
        request = self._request
        folder = Path(request.pwd or request.info.program_directory)
        entry = request.program or request.info.entry_point or "."
        os.chdir(folder)
        sys.argv = [entry, *request.args]
        program = folder / entry
        places = [str(program if program.is_dir() else program.parent), request.info.root_directory]
        sys.path[:0] = [place for place in dict.fromkeys(places) if place and place not in sys.path]
        runpy.run_path(str(program), run_name="__main__")


def _told(error: BaseException) -> pb.RunResponse:
    """Report a failed run, once."""
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return pb.RunResponse(error=f"Program exited with non-zero exit code: {code}" if code else "")
    if _hung_up(error):
        return pb.RunResponse(bail=True)
    if isinstance(error, pulumi.RunError):
        message = str(error)
    else:
        trace = "".join(traceback.format_exception(error))
        message = f"Program failed with an unhandled exception:\n{trace}"
    with contextlib.suppress(grpc.RpcError):
        pulumi.log.error(message)
    return pb.RunResponse(bail=True)


def _hung_up(error: BaseException) -> bool:
    if isinstance(error, grpc.RpcError):
        return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    return isinstance(error, pulumi.RunError) and str(error) == MONITOR_GONE
