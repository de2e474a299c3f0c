"""Sends packets to a service from several clients and compares every answer."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tfcsi.coding.packets import PacketError, Session
from tfcsi.serving.client import Client, ServiceError
from tfcsi.serving.wire import Answer

BUSY = (429, 503)  # Status codes after which the same request is sent again.
_PAUSE = 0.05  # Until then [s].


@dataclasses.dataclass(frozen=True)
class Sent:
    """A packet that is sent, and the answer that is right.

    Attributes:
      session: Session that it names.
      packet: The packet.
      right: Matrix, or PacketError if it must be refused.
    """

    session: Session
    packet: bytes
    right: Answer


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a load.

    Attributes:
      seconds: float64 [requests], time of each request that was answered [s].
      total: Time of all [s].
      decoded: Number of packets that were answered by a matrix.
      refused: Number of packets that were refused.
      wrong: Numbers of the packets whose answer is not the right one.
      again: Requests that were sent again because the service was busy.
    """

    seconds: np.ndarray
    total: float
    decoded: int
    refused: int
    wrong: list[int]
    again: int


def drive(url: str, load: Sequence[Sent], clients: int, size: int) -> Outcome:
    """Sends packets, some a request, from several clients at one time.

    Args:
      url: Of the service.
      load: Packets in the order in which they are sent.
      clients: Number of clients, each a thread with a connection.
      size: Packets of a request.

    Raises:
      ServiceError: If a request is refused for another reason than that it is busy.
      OSError: If the service is not reached.
    """
    starts = range(0, len(load), size)

    def work(number: int) -> tuple[list[float], list[tuple[int, Answer]], int]:
        times: list[float] = []
        answers: list[tuple[int, Answer]] = []
        again = 0
        with Client(url) as client:
            for start in starts[number::clients]:
                part = [(sent.session, sent.packet) for sent in load[start:][:size]]
                begun = time.perf_counter()
                while True:
                    try:
                        found = client.decode(part)
                        break
                    except ServiceError as error:
                        if error.status not in BUSY:
                            raise
                    again += 1
                    time.sleep(_PAUSE)
                times.append(time.perf_counter() - begun)
                answers += enumerate(found, start)
        return times, answers, again

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        parts = list(pool.map(work, range(clients)))
    total = time.perf_counter() - begun
    answers = dict(pair for _, pairs, _ in parts for pair in pairs)
    wrong = [
        row
        for row, sent in enumerate(load)
        if row not in answers or not agrees(answers[row], sent.right)
    ]
    refused = sum(isinstance(answer, PacketError) for answer in answers.values())
    return Outcome(
        seconds=np.array([t for times, _, _ in parts for t in times]),
        total=total,
        decoded=len(answers) - refused,
        refused=refused,
        wrong=wrong,
        again=sum(again for _, _, again in parts),
    )


def agrees(answer: Answer, right: Answer) -> bool:
    """Whether an answer is the right one; of matrices the last digits may differ."""
    if isinstance(answer, PacketError) or isinstance(right, PacketError):
        return type(answer) is type(right)
    return bool(np.allclose(answer, right, rtol=1e-4, atol=1e-5))
