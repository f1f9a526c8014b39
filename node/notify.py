"""Telling the service manager how the process stands (systemd's sd_notify); nothing happens where there is none."""

import os
import socket

import structlog

log = structlog.get_logger(__name__)


def tell(state: str) -> None:
    """`READY=1` when it serves, `STOPPING=1` when it ends."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError as error:
        log.warning("the service manager was not told", state=state, error=str(error))
