"""Decodes the packets of many sessions as a service over HTTP.

    tfcsi serve --codec=paths --port=8080

Each codec is a session. A client names the session of each packet, and gets its matrix
or the reason why it is refused; docs/serving.md has the bytes, and
tfcsi.serving.client.Client sends them. /health and /metrics are for monitoring.

SIGTERM and Ctrl-C end the service after the requests in flight are answered. It needs
pip install 'tfcsi[serve]'.
"""

from __future__ import annotations

import argparse
import ssl

from tfcsi import files
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_codec(
        parser,
        type=flags.FOLDERS,
        action="extend",
        metavar="DIR,...",
        help="Folders of runs, or names of codecs that come with tfcsi, such as paths. "
        "Each is a session. --codec is the same flag.",
    )
    parser.add_argument(
        "--host",
        type=flags.TEXT,
        default="127.0.0.1",
        metavar="NAME",
        help="Address to listen at; 0.0.0.0 is every address of the machine.",
    )
    parser.add_argument(
        "--port",
        type=flags.integer(0),
        default=8080,
        metavar="N",
        help="Port to listen at; 0 is any free one.",
    )
    for name, default, words in (
        ("threads", 1, "Number of batches that are decoded at one time."),
        ("max_sessions", 64, "Most sessions that are served."),
        ("max_request_bytes", 4 << 20, "Most bytes of a request."),
        ("max_request_packets", 4096, "Most packets of a request."),
        ("max_requests", 64, "Most requests at one time; others get status 503."),
        ("max_packets", 16384, "Most packets at one time; others get status 503."),
        ("max_batch", 256, "Most packets that are decoded together."),
    ):
        parser.add_argument(
            f"--{name}",
            type=flags.integer(1),
            default=default,
            metavar="N",
            help=words,
        )
    parser.add_argument(
        "--max_rate",
        type=flags.number(0),
        default=0.0,
        metavar="X",
        help="Most packets a second of one address; 0 is no limit. A client that sends "
        "faster gets status 429.",
    )
    parser.add_argument(
        "--max_seconds",
        type=flags.number(0.1),
        default=30.0,
        metavar="X",
        help="Most seconds in which a request must arrive, and again be answered.",
    )
    for name, words in (
        ("certificate", "File of the certificate chain (PEM), for https."),
        ("key", "File of the private key of the certificate (PEM)."),
        ("client_ca", "File of certificates (PEM) that sign those of all clients."),
    ):
        parser.add_argument(f"--{name}", type=flags.FILE, metavar="FILE", help=words)


def run(args: argparse.Namespace) -> None:
    """Serves until it is stopped."""
    if args.port > 65535:
        raise UsageError(f"--port={args.port}: ports are 0 to 65535")
    context = tls(args.certificate, args.key, args.client_ca)
    try:
        from tfcsi.serving import server
    except ImportError as error:
        raise RuntimeError(  # Not the full set is missing, which an ImportError names.
            f"{error.name} is not installed: pip install 'tfcsi[serve]'"
        ) from error
    from tfcsi.codecs.workdir import load

    limits = server.Limits(
        sessions=args.max_sessions,
        request_bytes=args.max_request_bytes,
        request_packets=args.max_request_packets,
        requests=args.max_requests,
        packets=args.max_packets,
        batch=args.max_batch,
        rate=args.max_rate,
        seconds=args.max_seconds,
    )
    if len(args.workdir) > limits.sessions:
        raise UsageError(
            f"--workdir has {len(args.workdir)} sessions, more than "
            f"--max_sessions={limits.sessions}"
        )
    codecs = [load(workdir) for workdir in args.workdir]
    for workdir, codec in zip(args.workdir, codecs):
        print(f"{workdir}: session {codec.session.fingerprint.hex()}", flush=True)
    service = server.Service(codecs, limits, args.threads)
    server.run(
        service,
        args.host,
        args.port,
        context,
        lambda url: print(f"listening at {url}", flush=True),
    )


def tls(
    certificate: str | None, key: str | None, client_ca: str | None
) -> ssl.SSLContext | None:
    """Makes the context of TLS; None if there is no certificate.

    Args:
      certificate: File of the certificate chain.
      key: File of its private key; None if it is in the same file.
      client_ca: File of certificates; each client then needs one that they sign.

    Raises:
      UsageError: If there is a key or a client_ca without a certificate.
      OSError: If a file cannot be read, or holds something else.
    """
    if certificate is None:
        if key or client_ca:
            raise UsageError("--key and --client_ca go with --certificate")
        return None
    for path in filter(None, (certificate, key, client_ca)):
        files.check_input(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        names = f"{certificate} and {key}" if key else certificate
        raise ValueError(f"{names}: no certificate and key: {error}") from error
    if client_ca:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise ValueError(f"{client_ca} holds no certificates: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context
