"""A mail server: it takes letters by SMTP (RFC 5321), with TLS (RFC 3207) and a password (RFC 4954) if told to."""

import asyncio
import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DROP = "drop"
"""In the place of an answer: hang up."""


@dataclass
class MailServer:
    """What it is told, and what it was given."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    """A user and a password, without which no letter is taken."""
    answers: dict[str, list[str]] = field(default_factory=dict)
    """To RCPT, DATA and END (of a letter): one a time, before it answers that all is well."""
    letters: list[EmailMessage] = field(default_factory=list)
    in_the_clear: list[str] = field(default_factory=list)
    """Commands that came without TLS."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """To one client, until it goes or breaks off."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        secure, known = False, self.login is None
        while line := await reader.readline():
            command, _, rest = line.decode().strip().partition(" ")
            if not secure:
                self.in_the_clear.append(command.upper())
            answer = self._answer(command.upper(), rest, secure, known)
            if command.upper() == "DATA" and answer.startswith("354"):
                writer.write(f"{answer}\r\n".encode())
                answer = await self._take(reader)
            if answer == DROP:
                break
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
            if command.upper() == "STARTTLS":
                await writer.start_tls(self.tls)
                secure = True
            known = known or answer.startswith("235")
            if command.upper() == "QUIT":
                break

    def _answer(self, command: str, rest: str, secure: bool, known: bool) -> str:
        if self.answers.get(command):
            return self.answers[command].pop(0)
        if command == "EHLO":
            offers = ["STARTTLS"] * (self.tls is not None and not secure) + ["AUTH PLAIN"] * (self.login is not None)
            return "\r\n".join([*(f"250-{offer}" for offer in ["here", *offers]), "250 8BITMIME"])
        if command == "AUTH":
            sent = base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")
            return "235 welcome" if tuple(sent[1:]) == self.login else "535 wrong password"
        if command in ("MAIL", "RCPT", "DATA") and not known:
            return "530 log in first"
        return {"STARTTLS": "220 begin", "DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 well")

    async def _take(self, reader: asyncio.StreamReader) -> str:
        text = await reader.readuntil(b"\r\n.\r\n")
        answer = self._answer("END", "", True, True)
        if answer.startswith("250"):
            self.letters.append(message_from_bytes(text[:-3].replace(b"\r\n..", b"\r\n."), policy=policy.default))
        return answer


@contextmanager
def run_mail_server(server: MailServer) -> Iterator[MailServer]:
    """A server on a port of this machine, until the block ends."""
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(server.talk, "127.0.0.1", server.port))
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_stop(listening), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(listening: asyncio.Server) -> None:
    listening.close()
    talks = asyncio.all_tasks() - {asyncio.current_task()}
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For localhost: what the server shows, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + certificate)
    shown, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    shown.load_cert_chain(folder / "server.pem")
    trusting.load_verify_locations(cadata=certificate.decode())
    return shown, trusting
