"""The service: an application of aiohttp over the codecs of some sessions.

`docs/serving.md` tells what it answers and what each limit bounds.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import signal
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import prometheus_client
from aiohttp import web

from tfcsi.codecs.contract import Codec
from tfcsi.coding.packets import PacketError
from tfcsi.serving import wire
from tfcsi.serving.batches import Batcher

_MOST_CLIENTS = 10_000  # Addresses whose rate is remembered.
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the service takes at most.

    Attributes:
      sessions: Sessions.
      request_bytes: Bytes of a request.
      request_packets: Packets of a request.
      requests: Requests at one time.
      packets: Packets of all requests at one time.
      batch: Packets that are decoded together.
      rate: Packets of an address a second; 0 is no limit.
      seconds: Time for a request to arrive, and again for its answer [s].
    """

    sessions: int = 64
    request_bytes: int = 4 << 20
    request_packets: int = 4096
    requests: int = 64
    packets: int = 16384
    batch: int = 256
    rate: float = 0.0
    seconds: float = 30.0


class Rates:
    """Counts the packets of each address against a rate.

    An address may send while it has no debt. Each packet is a debt, of which `rate`
    packets are forgiven a second. So each request of an allowed size is served once the
    debt is paid.
    """

    def __init__(self, rate: float):
        """Makes the counters; rate in packets a second, 0 is no limit."""
        self._rate = rate
        # Address to the time at which its debt is paid; the latest used at the end.
        self._paid: collections.OrderedDict[str, float] = collections.OrderedDict()

    def wait(self, address: str, packets: int, now: float) -> float:
        """Returns the seconds until an address may send; 0 if it may now, and counts.

        Args:
          address: Of the client.
          packets: That it wants to send.
          now: Time of a clock that never goes back [s].
        """
        if not self._rate:
            return 0.0
        paid = self._paid.pop(address, now)
        wait = max(0.0, paid - now)
        self._paid[address] = paid if wait else now + packets / self._rate
        while len(self._paid) > _MOST_CLIENTS:
            self._paid.popitem(last=False)
        return wait


class Metrics:
    """What Prometheus reads at /metrics, of one service."""

    def __init__(self) -> None:
        """Makes metrics of zeros; those of the process are memory and time."""
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        kinds = {"registry": self.registry, "namespace": "tfcsi"}
        self.requests = prometheus_client.Counter(
            "requests",
            "Requests to decode, by the status of HTTP.",
            ["status"],
            **kinds,
        )
        self.packets = prometheus_client.Counter(
            "packets", "Packets that were answered.", ["session", "outcome"], **kinds
        )
        self.waiting = prometheus_client.Gauge(
            "packets_in_flight", "Packets that were not answered yet.", **kinds
        )
        self.batches = prometheus_client.Histogram(
            *("batch_packets", "Packets that were decoded together."),
            buckets=[4**k for k in range(8)],
            **kinds,
        )
        self.seconds = prometheus_client.Histogram(
            "request_seconds", "Time of a request.", buckets=_SECONDS, **kinds
        )


class Service:
    """Decodes the packets of some sessions.

    Attributes:
      limits: Its limits.
      metrics: Its metrics.
    """

    def __init__(self, codecs: Sequence[Codec], limits: Limits, threads: int = 1):
        """Makes a service.

        Args:
          codecs: One a session.
          limits: Its limits.
          threads: Batches that are decoded at one time, each of another session.

        Raises:
          ValueError: If there are too many codecs, none, or two of one fingerprint.
        """
        if not 0 < len(codecs) <= limits.sessions:
            raise ValueError(
                f"there are {len(codecs)} codecs; give 1 to {limits.sessions}"
            )
        self.limits, self.metrics = limits, Metrics()
        self._executor = ThreadPoolExecutor(threads)
        self._batchers: dict[bytes, Batcher] = {}
        for codec in codecs:
            key = codec.session.fingerprint
            if key in self._batchers:
                raise ValueError(f"two codecs have the session {codec.session}")
            self._batchers[key] = Batcher(
                codec, limits.batch, self._executor, self.metrics.batches.observe
            )
        self._rates = Rates(limits.rate)
        self._requests = self._packets = 0
        self._stopping = False

    def application(self) -> web.Application:
        """Returns the application; `run` serves it."""
        app = web.Application(client_max_size=self.limits.request_bytes)
        app.add_routes(
            [
                web.post("/v1/decode", self._decode),
                web.get("/v1/sessions", self._sessions),
                web.get("/health", self._health),
                web.get("/metrics", self._report),
            ]
        )
        app.on_cleanup.append(self._close)
        return app

    async def drain(self) -> None:
        """Refuses new requests, and returns when those in flight are answered.

        That is after twice the `seconds` of the limits at the latest.
        """
        self._stopping = True
        while self._requests:
            await asyncio.sleep(0.02)

    async def _close(self, app: web.Application) -> None:
        self._executor.shutdown()

    async def _health(self, request: web.Request) -> web.Response:
        fields = {
            "status": "stopping" if self._stopping else "ok",
            "sessions": len(self._batchers),
            "packets_in_flight": self._packets,
        }
        return web.json_response(fields, status=503 if self._stopping else 200)

    async def _sessions(self, request: web.Request) -> web.Response:
        entries = [
            {
                "codec": batcher.codec.session.codec,
                "domain": batcher.codec.domain,
                "num_tx": batcher.codec.session.num_tx,
                "num_delay": batcher.codec.session.num_delay,
                "fingerprint": key.hex(),
                "version": batcher.codec.session.version,
            }
            for key, batcher in self._batchers.items()
        ]
        return web.json_response({"sessions": entries})

    async def _report(self, request: web.Request) -> web.Response:
        text = prometheus_client.generate_latest(self.metrics.registry)
        headers = {"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
        return web.Response(body=text, headers=headers)

    async def _decode(self, request: web.Request) -> web.Response:
        start = time.monotonic()
        if self._stopping:
            reply = _refused(503, "the service is stopping", 1.0)
        elif self._requests >= self.limits.requests:
            reply = _refused(503, f"{self._requests} requests are in flight", 1.0)
        else:
            self._requests += 1
            try:
                reply = await self._read(request)
            finally:
                self._requests -= 1
        self.metrics.requests.labels(reply.status).inc()
        self.metrics.seconds.observe(time.monotonic() - start)
        return reply

    async def _read(self, request: web.Request) -> web.Response:
        """Reads a request, checks it against the limits, and answers it."""
        limits = self.limits
        try:
            content = await asyncio.wait_for(request.read(), limits.seconds)
            records = wire.read_request(content, limits.request_packets)
        except asyncio.TimeoutError:
            return _refused(408, f"no request within {limits.seconds:g} s")
        except web.HTTPRequestEntityTooLarge:
            return _refused(413, f"a request has {limits.request_bytes} bytes at most")
        except PacketError as error:
            return _refused(400, str(error))
        address = request.remote or ""
        if wait := self._rates.wait(address, len(records), time.monotonic()):
            words = f"more than {limits.rate:g} packets a second"
            return _refused(429, words, wait)
        if self._packets + len(records) > limits.packets:
            words = f"{self._packets} packets are in flight, {limits.packets} may be"
            return _refused(503, words, 1.0)
        self._count(len(records))
        try:
            answers = await asyncio.wait_for(self._answers(records), limits.seconds)
            return web.Response(
                body=wire.write_answer(answers), content_type=wire.CONTENT_TYPE
            )
        except asyncio.TimeoutError:
            return _refused(503, f"no answer within {limits.seconds:g} s", 1.0)
        finally:
            self._count(-len(records))

    def _count(self, change: int) -> None:
        self._packets += change
        self.metrics.waiting.set(self._packets)

    async def _answers(self, records: list[tuple[bytes, bytes]]) -> list[wire.Answer]:
        """Gives each packet to the codec of the session that it names."""
        answers: list[wire.Answer] = [
            PacketError(f"names the session {key.hex()}, which is not served here")
            for key, _ in records
        ]
        rows: dict[bytes, list[int]] = collections.defaultdict(list)
        for row, (key, _) in enumerate(records):
            rows[key].append(row)
        known = [key for key in rows if key in self._batchers]
        parts = await asyncio.gather(
            *(
                self._batchers[key].decode([records[row][1] for row in rows[key]])
                for key in known
            )
        )
        for key, part in zip(known, parts):
            for row, answer in zip(rows[key], part):
                answers[row] = answer
            self._tell(key.hex(), part)
        self._tell(
            "unknown",
            [answers[row] for key in rows.keys() - {*known} for row in rows[key]],
        )
        return answers

    def _tell(self, session: str, answers: Sequence[wire.Answer]) -> None:
        refused = sum(isinstance(answer, PacketError) for answer in answers)
        for outcome, count in (
            ("refused", refused),
            ("decoded", len(answers) - refused),
        ):
            self.metrics.packets.labels(session, outcome).inc(count)


def _refused(status: int, reason: str, wait: float | None = None) -> web.Response:
    """An answer to a request as a whole; after `wait` seconds it may be sent again."""
    headers = {} if wait is None else {"Retry-After": str(int(wait) + 1)}
    return web.Response(status=status, text=f"{reason}\n", headers=headers)


def run(
    service: Service,
    host: str,
    port: int,
    context: ssl.SSLContext | None = None,
    ready: Callable[[str], object] = print,
) -> None:
    """Serves until SIGTERM or SIGINT; requests in flight are answered first.

    Args:
      service: What is served.
      host: Address to listen at.
      port: Port to listen at; 0 is any free one.
      context: Certificates of TLS; without TLS if it is None.
      ready: Is told the URL when the service listens.

    Raises:
      OSError: If it cannot listen there.
    """
    asyncio.run(_serve(service, host, port, context, ready))


async def _serve(
    service: Service,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    ready: Callable[[str], object],
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(service.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=context)
        await site.start()
        scheme = "https" if context else "http"
        ready(f"{scheme}://{host}:{runner.addresses[0][1]}")
        await stop.wait()
        await site.stop()
        await service.drain()
    finally:
        await runner.cleanup()
