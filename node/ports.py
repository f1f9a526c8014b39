"""Ports that are taken, told by the settings that name them."""

import socket
from typing import Final

ADVICE: Final = "end what listens there, or name another port in node.toml"


def cannot_listen(setting: str, host: str, port: int, why: str | None) -> OSError:
    return OSError(f"setting {setting}: cannot listen on {host}:{port}: {why or 'no reason given'}; {ADVICE}")


def require_free(setting: str, host: str, port: int) -> None:
    """OSError where a program that is started later could not listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise cannot_listen(setting, host, port, error.strerror) from None
