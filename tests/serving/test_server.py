"""The service answers each packet by the codec that it names, within its limits."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import numpy as np
import pytest

from tfcsi.coding.packets import PacketError
from tfcsi.serving import wire
from tfcsi.serving.client import Client, ServiceError
from tfcsi.serving.load import drive

ROOT = pathlib.Path(__file__).parents[2]


def ask(url, method, path, body=None):
    """Status and text of a request."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    connection.request(method, path, body)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply, content.decode(errors="replace")


def test_each_packet_is_decoded_by_the_codec_of_the_session_that_it_names(
    serve, codecs, matrices
):
    pairs = [
        (codec.session, packet)
        for packets in zip(*(codec.compress(matrices[-9:]) for codec in codecs))
        for codec, packet in zip(codecs, packets)
    ]
    with Client(serve(codecs)) as client:
        assert set(client.sessions()) == {codec.session for codec in codecs}
        answers = client.decode(pairs)
    for k, codec in enumerate(codecs):
        right = codec.decompress([packet for _, packet in pairs[k::2]])
        np.testing.assert_allclose(answers[k::2], right, atol=1e-6)


def test_a_packet_that_names_another_session_is_refused_and_the_rest_is_answered(
    serve, codecs, matrices
):
    one, two = codecs
    (packet,), (other,) = one.compress(matrices[-1:]), two.compress(matrices[-1:])
    with Client(serve(codecs)) as client:
        answers = client.decode(
            [(one.session, packet), (one.session, other), (two.session, other)]
        )
    assert isinstance(answers[1], PacketError)
    assert re.match("fails its check|its symbols|the encoder", str(answers[1]))
    for answer, codec, right in ((0, one, packet), (2, two, other)):
        np.testing.assert_allclose(
            answers[answer], codec.decompress([right])[0], atol=1e-6
        )


def test_a_session_that_is_not_served_is_refused_by_its_fingerprint(
    serve, codecs, held, matrices
):
    with Client(serve(codecs)) as client:
        (answer,) = client.decode([(held.session, held.session.fingerprint)])
    assert held.session.fingerprint.hex() in str(answer)


def test_of_many_packets_from_many_clients_none_is_lost_or_mixed_up(
    serve, codecs, load
):
    sent = load(2000)
    outcome = drive(serve(codecs), sent, clients=6, size=17)
    assert outcome.wrong == []
    assert outcome.decoded + outcome.refused == len(sent)
    assert outcome.refused == sum(isinstance(s.right, PacketError) for s in sent) > 300


def test_a_load_that_is_answered_wrongly_is_told(serve, codecs, load):
    sent = load(40)
    right = [s.right for s in sent]
    swapped = [
        type(s)(s.session, s.packet, r) for s, r in zip(sent, [*right[1:], right[0]])
    ]
    wrong = drive(serve(codecs), swapped, clients=2, size=7).wrong
    assert len(wrong) > 20


def test_requests_that_wait_are_decoded_in_one_batch(serve, held, matrices):
    url = serve([held])
    packets = held.compress(matrices[:10])
    answers = {}

    def send(number):
        with Client(url) as client:
            answers[number] = client.decode([(held.session, packets[number])])

    threads = [threading.Thread(target=send, args=(k,)) for k in range(10)]
    threads[0].start()
    assert held.begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while '"packets_in_flight": 10' not in ask(url, "GET", "/health")[1]:
        time.sleep(0.01)
    held.go.set()
    for thread in threads:
        thread.join(10)
    assert held.sizes == [1, 9]
    for number, (answer,) in answers.items():
        np.testing.assert_array_equal(answer, held.decompress([packets[number]])[0])


@pytest.mark.parametrize(
    ("limits", "count", "status", "words"),
    [
        ({"request_packets": 3}, 4, 400, "more than 3 packets"),
        ({"request_bytes": 50}, 9, 413, "50 bytes"),
        ({"packets": 3}, 4, 503, "3 may be"),
    ],
)
def test_a_request_beyond_a_limit_is_refused_as_a_whole(
    serve, codecs, matrices, limits, count, status, words
):
    url, codec = serve(codecs, **limits), codecs[0]
    pairs = [(codec.session, packet) for packet in codec.compress(matrices[:count])]
    with Client(url) as client:
        with pytest.raises(ServiceError, match=words) as caught:
            client.decode(pairs)
        assert caught.value.status == status
        assert len(client.decode(pairs[:1])) == 1


def test_a_client_that_sends_faster_than_its_rate_waits_for_its_debt(
    serve, codecs, matrices
):
    codec = codecs[0]
    pairs = [(codec.session, packet) for packet in codec.compress(matrices[:20])]
    with Client(serve(codecs, rate=100.0)) as client:
        assert len(client.decode(pairs)) == 20
        with pytest.raises(ServiceError, match="100 packets a second") as caught:
            client.decode(pairs)
        assert caught.value.status == 429
        time.sleep(0.25)
        assert len(client.decode(pairs)) == 20


def test_a_request_that_does_not_arrive_and_one_that_is_not_answered_end(
    serve, held, matrices
):
    url = serve([held], seconds=0.2)
    address = urllib.parse.urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as stream:
        stream.sendall(b"POST /v1/decode HTTP/1.1\r\nContent-Length: 9\r\n\r\nab")
        stream.settimeout(5)
        assert b" 408 " in stream.recv(4096).splitlines()[0]
    (packet,) = held.compress(matrices[:1])
    with Client(url) as client:
        with pytest.raises(ServiceError, match="no answer within 0.2 s"):
            client.decode([(held.session, packet)])
    held.go.set()


@pytest.mark.parametrize("content", [b"\0", bytes(9), bytes(8) + b"\0\5abc"])
def test_a_request_that_is_cut_off_is_refused_by_the_packet(serve, codecs, content):
    url = serve(codecs)
    reply, text = ask(url, "POST", "/v1/decode", content)
    assert reply.status == 400 and "packet 0 is cut off" in text


def test_health_and_metrics_tell_what_was_answered(serve, codecs, load):
    url, sent = serve(codecs), load(50)
    outcome = drive(url, sent, clients=2, size=10)
    _, health = ask(url, "GET", "/health")
    assert json.loads(health) == {
        "status": "ok",
        "sessions": 2,
        "packets_in_flight": 0,
    }
    _, text = ask(url, "GET", "/metrics")
    for word, count in (("decoded", outcome.decoded), ("refused", outcome.refused)):
        counted = re.findall(rf'tfcsi_packets_total{{outcome="{word}".*}} (\S+)', text)
        assert sum(map(float, counted)) == count
    assert 'tfcsi_requests_total{status="200"} 5.0' in text
    assert re.search(r"process_resident_memory_bytes \d", text)


def test_a_request_and_an_answer_are_read_as_they_were_written(matrices):
    records = [(bytes(8), b""), (b"\1" * 8, b"packet")]
    assert wire.read_request(wire.write_request(records), 2) == records
    written = wire.write_answer([matrices[0], PacketError("no")])
    matrix, refusal = wire.read_answer(written, [(8, 8)] * 2)
    np.testing.assert_array_equal(matrix, matrices[0])
    assert str(refusal) == "no" and refusal.row == 1
    for bad in (written[:-1], written + b"\0", b""):
        with pytest.raises(ValueError, match="answer"):
            wire.read_answer(bad, [(8, 8)] * 2)


def test_the_command_answers_the_request_in_flight_when_it_is_told_to_end(
    codecs, matrices, tmp_path
):
    for codec in codecs:
        codec.save(tmp_path / codec.name)
    names = ",".join(str(tmp_path / codec.name) for codec in codecs)
    process = subprocess.Popen(
        [sys.executable, "-m", "tfcsi", "serve"] + [f"--workdir={names}", "--port=0"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for codec in codecs:
            assert codec.session.fingerprint.hex() in process.stdout.readline()
        port = int(process.stdout.readline().rpartition(":")[2])
        stream = socket.create_connection(("127.0.0.1", port), 10)
        pairs = [(c.session.fingerprint, c.compress(matrices[:1])[0]) for c in codecs]
        body = wire.write_request(pairs)
        head = f"POST /v1/decode HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}"
        stream.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode() + body[:5])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        while True:  # New connections are refused, this one is answered.
            try:
                socket.create_connection(("127.0.0.1", port), 10).close()
            except ConnectionRefusedError:
                break
            time.sleep(0.02)
        stream.sendall(body[5:])
        with stream, stream.makefile("rb") as reply:
            head, _, content = reply.read().partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0]
        answers = wire.read_answer(content, [codec.shape for codec in codecs])
        assert all(isinstance(answer, np.ndarray) for answer in answers)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.stdout.close()
