"""A client of the service: NumPy and the standard library."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterable

from tfcsi.coding.packets import Session
from tfcsi.serving import wire


class ServiceError(RuntimeError):
    """The service did not answer a request as a whole.

    Attributes:
      status: Status code of HTTP, such as 429 if requests come too fast.
    """

    def __init__(self, message: str, status: int):
        """See the attributes."""
        super().__init__(message)
        self.status = status


class Client:
    """Sends packets to a service and returns the matrices; one thread uses it.

    `with Client("http://localhost:8080") as client: client.decode(...)`.
    """

    def __init__(
        self, url: str, timeout: float = 60.0, context: ssl.SSLContext | None = None
    ):
        """Connects when something is sent.

        Args:
          url: http://HOST:PORT or https://HOST:PORT.
          timeout: Longest wait for the network [s].
          context: Certificates of https; those of the system if it is None.

        Raises:
          ValueError: If the URL is of another form.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url is {url!r}; give http://HOST:PORT")
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(
                parts.hostname, parts.port, timeout=timeout
            )

    def sessions(self) -> list[Session]:
        """Returns the sessions whose packets the service decodes."""
        fields = json.loads(self._ask("GET", "/v1/sessions"))
        return [
            Session(
                entry["codec"],
                entry["num_tx"],
                entry["num_delay"],
                bytes.fromhex(entry["fingerprint"]),
                entry["version"],
            )
            for entry in fields["sessions"]
        ]

    def decode(self, packets: Iterable[tuple[Session, bytes]]) -> list[wire.Answer]:
        """Decodes packets of any sessions.

        Args:
          packets: Session and packet, n times.

        Returns:
          For each packet complex64 [num_tx, num_delay] or a PacketError, not raised.

        Raises:
          ServiceError: If the service refuses the request as a whole.
          OSError: If it is not reached.
        """
        listed = list(packets)
        body = wire.write_request((s.fingerprint, packet) for s, packet in listed)
        shapes = [(session.num_tx, session.num_delay) for session, _ in listed]
        return wire.read_answer(self._ask("POST", "/v1/decode", body), shapes)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": wire.CONTENT_TYPE} if body is not None else {}
        try:
            self._connection.request(method, path, body, headers)
            reply = self._connection.getresponse()
            content = reply.read()
        except (OSError, http.client.HTTPException):
            self.close()  # The next request connects anew.
            raise
        if reply.status != 200:
            reason = content.decode(errors="replace").strip()
            raise ServiceError(f"{path}: {reply.status} {reason}", reply.status)
        return content

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def __enter__(self) -> Client:
        """Returns itself; the connection is closed at the end of the block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the connection."""
        self.close()
