"""Services in a thread of the test, with two codecs of NumPy."""

import asyncio
import contextlib
import threading

import numpy as np
import pytest
from aiohttp import web

from tfcsi.codecs.klt import Klt
from tfcsi.codecs.topk import TopK
from tfcsi.serving.server import Limits, Service

SHAPE = (8, 8)


@contextlib.contextmanager
def served(service, context=None):
    """Serves in a thread; gives the URL."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(service.application())

    async def start():
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        return runner.addresses[0][1]

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class Held(TopK):
    """A top-K that decodes when it is told to, and keeps the sizes of its batches."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.go, self.begun, self.sizes = threading.Event(), threading.Event(), []

    def decompress(self, packets):
        self.sizes.append(len(packets))
        self.begun.set()
        assert self.go.wait(10)
        return super().decompress(packets)


@pytest.fixture(scope="package")
def matrices(draw_csi):
    return draw_csi(60, SHAPE)


@pytest.fixture(scope="package")
def codecs(matrices):
    return [TopK(SHAPE, 6, 4, 10.0), Klt.at_bits(matrices[:50], 120)]


@pytest.fixture
def held():
    return Held(SHAPE, 5, 4, 10.0)


@pytest.fixture
def serving():
    """The function (service, context of TLS) -> context manager of its URL."""
    return served


@pytest.fixture
def serve():
    """The function (codecs, **limits) -> URL of a service that ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda codecs, **limits: stack.enter_context(
            served(Service(codecs, Limits(**limits), threads=2))
        )


@pytest.fixture
def load(codecs, matrices):
    """The function (num, seed) -> packets of both sessions, a fifth of them bad."""
    from tfcsi.serving.batches import decompress_each
    from tfcsi.serving.load import Sent

    def make(num, seed=0):
        rng = np.random.default_rng(seed)
        sent = [list(zip(codec.compress(matrices))) for codec in codecs]
        made = []
        for row in range(num):
            codec = codecs[rng.integers(2)]
            (packet,) = sent[codecs.index(codec)][rng.integers(len(matrices))]
            if row % 5 == 0:
                packet = rng.bytes(int(rng.integers(0, 40)))
            made.append((codec, packet))
        right = {}
        for codec in codecs:
            own = [packet for each, packet in made if each is codec]
            right[codec.name] = iter(decompress_each(codec, own))
        return [
            Sent(codec.session, packet, next(right[codec.name]))
            for codec, packet in made
        ]

    return make
