"""Sending responses, complete or with a fault of the connection."""

import os
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus

from butaca.sandbox.answers import Answer
from butaca.sandbox.breakage import Strike
from butaca.sandbox.faults import Fault

MID_BODY = ("cut", "reset")
BREAKING = ("refuse", "hang", *MID_BODY)


def head(answer: Answer) -> bytes:
    """Return the status line and the headers."""
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        "Server: butaca-sandbox",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {answer.media_type}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def send(connection: socket.socket, answer: Answer, strike: Strike | None) -> bool:
    """Send a response with a fault, if any; return whether the connection can be reused."""
    if strike and strike.fault.kind in BREAKING:
        _break_off(connection, answer, strike)
        return False
    message = head(answer) + answer.body
    match strike:
        case Strike(Fault("drip")):
            _drip(connection, message, len(message) - len(answer.body), strike)
        case Strike(Fault("drip-headers")):
            _drip(connection, message, 0, strike)
        case Strike(Fault("delay")):
            strike.over.wait(strike.fault.seconds)
            connection.sendall(message)
        case _:
            connection.sendall(message)
    return True


def _break_off(connection: socket.socket, answer: Answer, strike: Strike) -> None:
    if strike.fault.kind == "hang":
        strike.over.wait()
    if strike.fault.kind in MID_BODY:
        connection.sendall(head(answer) + answer.body[: len(answer.body) // 2])
    if strike.fault.kind == "reset":
        _reset(connection)


def _drip(connection: socket.socket, message: bytes, start: int, strike: Strike) -> None:
    connection.sendall(message[:start])
    for at in range(start, len(message)):
        connection.sendall(message[at : at + 1])
        if strike.over.wait(strike.fault.seconds):
            connection.sendall(message[at + 1 :])
            return


def _reset(connection: socket.socket) -> None:
    # Closing without lingering sends RST; detached, so that nothing sends FIN first.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
