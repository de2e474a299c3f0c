"""The command: TLS by the options of Python's own ssl, and what it refuses."""

import shutil
import ssl
import subprocess
import sys

import pytest

import tfcsi.serving
from tfcsi.__main__ import main
from tfcsi.commands.parser import UsageError
from tfcsi.commands.serve import tls
from tfcsi.serving.client import Client
from tfcsi.serving.server import Limits, Service

openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")


@pytest.fixture
def certificate(tmp_path):
    """Files of a certificate and its key, for 127.0.0.1."""
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        + ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=a"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0]]
        + ["-keyout", files[1]],
        check=True,
        capture_output=True,
    )
    return tuple(map(str, files))


@openssl
def test_packets_are_decoded_over_tls_and_a_client_without_certificate_is_refused(
    certificate, codecs, matrices, serving
):
    codec = codecs[0]
    pairs = [(codec.session, packet) for packet in codec.compress(matrices[:3])]
    service = Service(codecs, Limits())
    with serving(service, tls(*certificate, certificate[0])) as url:
        context = ssl.create_default_context(cafile=certificate[0])
        with pytest.raises(OSError), Client(url, context=context) as client:
            client.decode(pairs)
        context.load_cert_chain(*certificate)
        with Client(url, context=context) as client:
            assert all(answer.shape == codec.shape for answer in client.decode(pairs))


@openssl
def test_files_that_are_no_certificate_are_named(certificate, tmp_path):
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="text and .*key.pem: no certificate"):
        tls(str(tmp_path / "text"), certificate[1], None)
    with pytest.raises(ValueError, match="text holds no certificates"):
        tls(*certificate, str(tmp_path / "text"))
    with pytest.raises(FileNotFoundError):
        tls(str(tmp_path / "absent"), None, None)


def test_a_key_without_certificate_is_refused():
    with pytest.raises(UsageError, match="go with --certificate"):
        tls(None, "key.pem", None)


def test_a_missing_library_is_named_with_the_extra(
    codecs, tmp_path, monkeypatch, capsys
):
    codecs[0].save(tmp_path)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "tfcsi.serving.server", raising=False)
    monkeypatch.delattr(tfcsi.serving, "server", raising=False)
    assert main(["tfcsi", "serve", f"--workdir={tmp_path}"]) == 1
    assert "aiohttp is not installed: pip install 'tfcsi[serve]'" in (
        capsys.readouterr().err
    )


def test_more_sessions_than_the_limit_are_refused(codecs, tmp_path, capsys):
    flags = [f"--workdir={tmp_path}", f"--workdir={tmp_path}", "--max_sessions=1"]
    assert main(["tfcsi", "serve", *flags]) == 2
    assert "2 sessions, more than --max_sessions=1" in capsys.readouterr().err


def test_one_session_cannot_be_served_twice(codecs):
    with pytest.raises(ValueError, match="two codecs have the session"):
        Service([codecs[0], codecs[0]], Limits())
