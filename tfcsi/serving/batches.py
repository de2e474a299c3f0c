"""Packets of one session, decoded together whatever requests they come from."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np

from tfcsi.codecs.contract import Codec
from tfcsi.coding.packets import PacketError, sound, unpack
from tfcsi.serving.wire import Answer

_LOG = logging.getLogger(__name__)


def decompress_each(codec: Codec, packets: Sequence[bytes]) -> list[Answer]:
    """Decodes packets; one that is refused leaves the others as they are.

    A batch with a bad packet is decoded again without it, in two halves. So n packets
    cost at most as much as log2(n) + 1 batches of n, however many of them are bad.

    Args:
      codec: Codec of all of them.
      packets: n packets.

    Returns:
      For each packet complex64 [num_tx, num_delay] or a PacketError, not raised.
    """
    answers: list[Answer] = [PacketError("was not decoded")] * len(packets)
    passed = sound(packets, codec.session)
    for row in np.flatnonzero(~passed):
        try:
            unpack([packets[row]], codec.session)
        except PacketError as error:
            answers[row] = _refusal(error)
    batches = [np.flatnonzero(passed).tolist()]
    while batches:
        rows = batches.pop()
        if not rows:
            continue
        try:
            h_hat = codec.decompress([packets[row] for row in rows])
        except PacketError as error:
            bad = 0 if len(rows) == 1 else error.row
            if bad is not None:
                answers[rows.pop(bad)] = _refusal(error)
        except Exception:
            if len(rows) == 1:
                _LOG.exception("a packet cannot be decoded, %s", codec.session)
                answers[rows.pop()] = PacketError("cannot be decoded: internal error")
        else:
            for row, matrix in zip(rows, h_hat):
                answers[row] = matrix
            continue
        middle = len(rows) // 2
        batches += [rows[:middle], rows[middle:]]
    return answers


def _refusal(error: PacketError) -> PacketError:
    """The reason alone: whoever sent the packet does not know its row in the batch."""
    reason, number = str(error), f"packet {error.row}"
    if reason.startswith(number):
        reason = reason[len(number) :]
    return PacketError(reason.lstrip(": "))


@dataclasses.dataclass(frozen=True)
class _Job:
    """Packets of one request that wait for their answers."""

    packets: Sequence[bytes]
    answers: asyncio.Future[list[Answer]]


class Batcher:
    """Decodes the packets of one codec, one batch at a time.

    While a batch is decoded, the packets of further requests wait. All that wait then
    go into the next batch, up to its largest size.

    Attributes:
      codec: The codec.
    """

    def __init__(
        self,
        codec: Codec,
        most: int,
        executor: Executor,
        observe: Callable[[int], None],
    ):
        """Makes an idle one.

        Args:
          codec: Codec of the packets.
          most: Most packets of a batch.
          executor: Where batches are decoded.
          observe: Is told the size of each batch.
        """
        self.codec, self._most = codec, most
        self._executor, self._observe = executor, observe
        self._jobs: collections.deque[_Job] = collections.deque()
        self._worker: asyncio.Task[None] | None = None

    async def decode(self, packets: Sequence[bytes]) -> list[Answer]:
        """Returns the answer to each packet, as `decompress_each`."""
        loop = asyncio.get_running_loop()
        starts = range(0, len(packets), self._most)
        jobs = [_Job(packets[i : i + self._most], loop.create_future()) for i in starts]
        self._jobs.extend(jobs)
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        parts = await asyncio.gather(*(job.answers for job in jobs))
        return [answer for part in parts for answer in part]

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while jobs := self._next():
            packets = [packet for job in jobs for packet in job.packets]
            self._observe(len(packets))
            try:
                answers = await loop.run_in_executor(
                    self._executor, decompress_each, self.codec, packets
                )
            except Exception as error:
                answers = []
                for job in jobs:
                    if not job.answers.done():
                        job.answers.set_exception(error)
            at = 0
            for job in jobs:
                if not job.answers.done():  # Whoever asked may have gone.
                    job.answers.set_result(answers[at : at + len(job.packets)])
                at += len(job.packets)

    def _next(self) -> list[_Job]:
        """Takes the jobs of the next batch; none of those that nobody waits for."""
        jobs: list[_Job] = []
        size = 0
        while self._jobs and size + len(self._jobs[0].packets) <= self._most:
            job = self._jobs.popleft()
            if not job.answers.done():
                jobs.append(job)
                size += len(job.packets)
        return jobs
