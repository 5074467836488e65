"""How letters leave: by SMTP, into a folder, onto the console."""

import smtplib
import ssl
import sys
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol, TextIO
from urllib.parse import SplitResult, unquote, urlsplit

from overtrace.errors import BadOption
from overtrace.host.tables import Mail

TIMEOUT_S = 30.0
PORTS = {"smtp": 587, "smtps": 465}
HERE = ("localhost", "127.0.0.1", "::1")


class SendFailed(Exception):
    """A letter did not leave."""

    def __init__(self, reason: str, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good
        """Whether to try again is of no use."""


class Sender(Protocol):
    """Where letters go."""

    def send(self, mail: Mail) -> None:
        """Send one letter.

        Raises:
            SendFailed: if it did not leave.
        """


def open_sender(url: str, sender: str) -> Sender:
    """A sender for ``smtp://USER:PASSWORD@HOST``, ``smtps://...``, ``file:FOLDER`` or ``console:``.

    Args:
        sender: the address that letters come from.
    Raises:
        BadOption: if it is none of these, or the folder cannot be written.
    """
    parts = urlsplit(url)
    if parts.scheme in PORTS and parts.hostname:
        return Smtp(*_read_smtp(parts), sender, ssl.create_default_context())
    if parts.scheme == "file" and parts.path and not parts.netloc:
        return Folder(_make_folder(Path(unquote(parts.path))), sender)
    if parts.scheme == "console":
        return Console(sys.stderr, sender)
    raise BadOption(f"--mail {parts.scheme}: wanted smtp://USER:PASSWORD@HOST, smtps://..., file:FOLDER or console:")


def write_message(mail: Mail, sender: str) -> EmailMessage:
    """A letter as it travels; sent twice, it carries the same id, by which mail programs know it again."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message


@dataclass(frozen=True, slots=True)
class Smtp:
    """A mail server; a password is only shown to it under TLS."""

    host: str
    port: int
    user: str
    password: str
    implicit_tls: bool
    sender: str
    context: ssl.SSLContext
    """Which certificates are trusted."""

    def send(self, mail: Mail) -> None:
        """Send one letter by a connection of its own."""
        try:
            with self._connect() as server:
                server.send_message(write_message(mail, self.sender), self.sender, [mail.to])
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = next(iter(error.recipients.values()))
            raise SendFailed(f"{code} {_show(reason)}", for_good=500 <= code < 600) from error
        except smtplib.SMTPDataError as error:
            refused = 500 <= error.smtp_code < 600
            raise SendFailed(f"{error.smtp_code} {_show(error.smtp_error)}", for_good=refused) from error
        except (OSError, smtplib.SMTPException) as error:
            # Such as no connection, or a wrong password: the organiser can mend it, and nothing is lost till then.
            raise SendFailed(f"{self.host}: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        if self.implicit_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=self.context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        try:
            self._greet(server)
        except BaseException:
            server.close()
            raise
        return server

    def _greet(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        secure = self.implicit_tls or server.has_extn("starttls")
        if secure and not self.implicit_tls:
            server.starttls(context=self.context)
            server.ehlo()
        if not self.user:
            return
        if not secure and self.host not in HERE:
            raise SendFailed(f"{self.host} offers no TLS: a password is not sent there in the clear")
        server.login(self.user, self.password)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of ``.eml`` files, named as the letters."""

    folder: Path
    sender: str

    def send(self, mail: Mail) -> None:
        """Write one letter aside, then rename it."""
        path = self.folder / f"{mail.id}.eml"
        aside = path.with_suffix(".part")
        try:
            aside.write_bytes(write_message(mail, self.sender).as_bytes())
            aside.rename(path)
        except OSError as error:
            raise SendFailed(f"{path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Console:
    """Where whoever started the host looks."""

    stream: TextIO
    sender: str

    def send(self, mail: Mail) -> None:
        """Print one letter."""
        print(f"--- letter to {mail.to}: {mail.subject}\n{mail.body}---", file=self.stream, flush=True)


def _read_smtp(parts: SplitResult) -> tuple[str, int, str, str, bool]:
    try:
        port = parts.port or PORTS[parts.scheme]
    except ValueError as error:
        raise BadOption(f"--mail {parts.scheme}://{parts.hostname}: the port is no number") from error
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return parts.hostname or "", port, user, password, parts.scheme == "smtps"


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOption(f"--mail file:{folder}: {error.strerror}: name a folder that can be written") from error
    return folder


def _show(reply: bytes | str) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply
