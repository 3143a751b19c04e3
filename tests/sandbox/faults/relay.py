"""A relay to the API server that a test can hold or cut. It relays TCP, so TLS stays end to end."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_RESET = struct.pack("ii", 1, 0)


class Relay:
    """Relays connections to a port of this machine. New ones wait while the relay is held."""

    def __init__(self, upstream: int) -> None:
        self.waiting = 0
        """Connections that wait now."""
        self.refused = 0
        """Connections so far without a server."""
        self._upstream = upstream
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let new connections wait."""
        self._open.clear()
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Continue waiting connections."""
        self._open.set()

    def cut(self) -> None:
        """Reset all connections; new ones are accepted."""
        with self._lock:
            for one in self._sockets:
                _reset(one)
            self._sockets.clear()

    def close(self) -> None:
        self._server.close()
        self.release()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                threading.Thread(target=self._serve, args=(self._server.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._sockets.add(client)
            self.waiting += 1
        self._open.wait()
        with self._lock:
            self.waiting -= 1
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream), timeout=10)
        except OSError:
            with self._lock:
                self.refused += 1
            self._end(client)
            return
        server.settimeout(None)
        with self._lock:
            self._sockets.add(server)
        threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
        self._pump(client, server)
        self._end(client, server)

    def _end(self, *ended: socket.socket) -> None:
        with self._lock:
            self._sockets.difference_update(ended)
        for one in ended:
            one.close()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _reset(one: socket.socket) -> None:
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        one.shutdown(socket.SHUT_RDWR)
