"""One question of the gRPC health protocol (grpc.health.v1.Health/Check), on a connection of its own.

By hand: the message is six bytes in a few HTTP/2 frames, and the gRPC library would triple the runner's memory.
"""

import asyncio
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _GO_AWAY = 0, 1, 3, 4, 7
_ACKNOWLEDGED = _END_STREAM = 0x1
_END_HEADERS, _PADDED = 0x4, 0x8
_PATH = b"/grpc.health.v1.Health/Check"
_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


async def check(host: str, port: int, service: str) -> str | None:
    """Return None if the service is SERVING, else what is wrong. Raises `OSError` if nobody is there."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(_request(f"{host}:{port}".encode(), service.encode()))
        message = await _answer(reader, writer)
    except asyncio.IncompleteReadError:
        return "the connection was closed without an answer"
    finally:
        writer.close()
    if message is None:
        return f"the service {service!r} is unknown or the health protocol is not served"
    state = message[6] if len(message) > 6 and message[5] == 0x08 else 0
    return None if state == 1 else _STATES.get(state, str(state))


def _request(authority: bytes, service: bytes) -> bytes:
    headers = b"\x83\x86"  # :method POST, :scheme http
    headers += b"\x04" + _text(_PATH) + b"\x01" + _text(authority)
    headers += b"\x0f\x10" + _text(b"application/grpc") + b"\x00" + _text(b"te") + _text(b"trailers")
    message = b"\x0a" + _text(service) if service else b""
    body = b"\x00" + struct.pack(">I", len(message)) + message
    return (
        _PREFACE
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, 1, headers)
        + _frame(_DATA, _END_STREAM, 1, body)
    )


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
    """Read frames until the answer's message is there; None if the stream ends without one."""
    message = b""
    while True:
        head = await reader.readexactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        payload = await reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACKNOWLEDGED:
            writer.write(_frame(_SETTINGS, _ACKNOWLEDGED, 0, b""))
        elif kind == _DATA:
            message += payload[1 : length - payload[0]] if flags & _PADDED else payload
            if len(message) >= 5 and len(message) >= 5 + int.from_bytes(message[1:5], "big"):
                return message
        elif kind in (_RESET, _GO_AWAY) or (kind == _HEADERS and flags & _END_STREAM):
            return None


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _text(text: bytes) -> bytes:
    return bytes([len(text)]) + text
