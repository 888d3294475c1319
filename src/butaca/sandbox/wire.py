"""Sending responses, complete or with a fault of the connection."""

import os
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus

from butaca.sandbox.active_faults import AppliedFault
from butaca.sandbox.faults import Fault
from butaca.sandbox.responses import Response

CLOSES_MID_BODY = ("cut", "reset")
CLOSES_CONNECTION = ("refuse", "hang", *CLOSES_MID_BODY)


def encode_head(response: Response) -> bytes:
    """Return the status line and the headers."""
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        "Server: butaca-sandbox",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {response.media_type}",
        f"Content-Length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def send(connection: socket.socket, response: Response, applied: AppliedFault | None) -> bool:
    """Send a response with a fault, if any; return whether the connection can be reused."""
    if applied and applied.fault.kind in CLOSES_CONNECTION:
        _send_and_close(connection, response, applied)
        return False
    message = encode_head(response) + response.body
    match applied:
        case AppliedFault(Fault("drip")):
            _send_bytewise(connection, message, len(message) - len(response.body), applied)
        case AppliedFault(Fault("drip-headers")):
            _send_bytewise(connection, message, 0, applied)
        case AppliedFault(Fault("delay")):
            applied.cancelled.wait(applied.fault.seconds)
            connection.sendall(message)
        case _:
            connection.sendall(message)
    return True


def _send_and_close(connection: socket.socket, response: Response, applied: AppliedFault) -> None:
    if applied.fault.kind == "hang":
        applied.cancelled.wait()
    if applied.fault.kind in CLOSES_MID_BODY:
        connection.sendall(encode_head(response) + response.body[: len(response.body) // 2])
    if applied.fault.kind == "reset":
        _reset(connection)


def _send_bytewise(
    connection: socket.socket, message: bytes, start: int, applied: AppliedFault
) -> None:
    connection.sendall(message[:start])
    for at in range(start, len(message)):
        connection.sendall(message[at : at + 1])
        if applied.cancelled.wait(applied.fault.seconds):
            connection.sendall(message[at + 1 :])
            return


def _reset(connection: socket.socket) -> None:
    # Closing without lingering sends RST; detached, so that nothing sends FIN first.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
