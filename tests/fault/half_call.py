"""A client that says half a sentence: HTTP/2 by hand over TLS, since no gRPC library sends half a message."""

import socket
import ssl
from pathlib import Path

SERVICE = "/suyuan.v1.Ledger/"
_HEADERS, _DATA, _SETTINGS = 1, 0, 4
_ACK, _END_HEADERS = 1, 4


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _literal(name: str, value: str) -> bytes:
    """One header, written out (HPACK, literal without indexing, no Huffman code)."""
    return b"\x00" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


class HalfCalls:
    """One connection with calls whose first message never ends. `home` holds a member's client certificate."""

    def __init__(self, address: str, ca: str, home: Path | None = None) -> None:
        host, port = address.rsplit(":", 1)
        context = ssl.create_default_context(cadata=ca)
        context.set_alpn_protocols(["h2"])
        if home is not None:
            context.load_cert_chain(home / "tls.crt", home / "tls.key")
        raw = socket.create_connection((host, int(port)))
        self._socket = context.wrap_socket(raw, server_hostname=host)
        self._socket.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0) + _frame(_SETTINGS, _ACK, 0)
        )
        self._address = address
        self._streams = 0

    def begin(self, method: str) -> int:
        """Begin a call, announce a message of 1,000 bytes and send the first; the stream's number."""
        stream = 2 * self._streams + 1
        self._streams += 1
        headers = {
            ":method": "POST", ":scheme": "https", ":path": SERVICE + method, ":authority": self._address,
            "content-type": "application/grpc", "te": "trailers",
        }  # fmt: skip
        block = b"".join(_literal(name, value) for name, value in headers.items())
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, stream, block))
        self.drip(stream, b"\x00" + (1000).to_bytes(4, "big") + b"\x0a")
        return stream

    def drip(self, stream: int, data: bytes = b"\x00") -> None:
        self._socket.sendall(_frame(_DATA, 0, stream, data))

    def read_until(self, mark: bytes) -> bytes:
        """What the node sends, up to where a mark stands in it; all of it where the node hangs up first."""
        found = b""
        while mark not in found:
            data = self._socket.recv(65536)
            if not data:
                break
            found += data
        return found

    def close(self) -> None:
        self._socket.close()
