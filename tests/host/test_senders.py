"""How letters leave, against a real mail server."""

import io
import socket
from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from overtrace.errors import BadOption
from overtrace.host.senders import Console, Folder, SendFailed, Smtp, open_sender
from overtrace.host.tables import Mail
from tests.support.people import AT
from tests.support.smtp_server import DROP, MailServer, make_certificate, run_mail_server

FROM = "contest@host.example"
BODY = "Grüße,\n\n.a line that begins with a dot\n" + "x" * 1500 + "\nhttps://trees.example.org/?code=abc_-\n"


@pytest.fixture
def mail():
    return Mail(id="01letter", to="ada@example.org", subject="[Bäume] Confirm", body=BODY, created_at=AT)


@pytest.fixture
def server():
    with run_mail_server(MailServer()) as server:
        yield server


def open_smtp(server: MailServer, login: str = "") -> Smtp:
    sender = open_sender(f"smtp://{login}127.0.0.1:{server.port}", FROM)
    assert isinstance(sender, Smtp)
    return sender


def test_a_letter_arrives_as_it_was_written(server, mail):
    open_smtp(server).send(mail)
    letter = server.letters[0]
    headers = {name: letter[name] for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")}
    assert headers == {
        "From": FROM,
        "To": "ada@example.org",
        "Subject": "[Bäume] Confirm",
        "Message-ID": "<01letter@host.example>",
        "Auto-Submitted": "auto-generated",
    }
    assert letter["Date"].datetime == AT
    assert letter.get_content().replace("\r\n", "\n") == BODY


@pytest.mark.parametrize(
    ("command", "answer", "for_good"),
    [
        ("RCPT", "550 no such user", True),
        ("RCPT", "450 come later", False),
        ("RCPT", "421 too many", False),
        ("MAIL", "553 not from there", False),
        ("DATA", "554 no", True),
        ("END", "554 looks like spam", True),
        ("END", "451 disk full", False),
        ("END", DROP, False),
        ("EHLO", DROP, False),
    ],
)
def test_a_refusal_is_for_good_if_it_is_of_the_letter(server, mail, command, answer, for_good):
    server.answers[command] = [answer]
    with pytest.raises(SendFailed) as failed:
        open_smtp(server).send(mail)
    assert failed.value.for_good is for_good
    assert server.letters == []
    open_smtp(server).send(mail)
    assert len(server.letters) == 1


def test_a_server_that_is_not_there_is_tried_again(mail):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SendFailed, match=r"127\.0\.0\.1") as failed:
        open_sender(f"smtp://127.0.0.1:{port}", FROM).send(mail)
    assert not failed.value.for_good


def test_a_password_is_shown_under_tls(tmp_path, mail):
    shown, trusting = make_certificate(tmp_path)
    with run_mail_server(MailServer(tls=shown, login=("contest", "p@ss:w/rd"))) as server:
        sender = open_sender(f"smtp://contest:p%40ss%3Aw%2Frd@localhost:{server.port}", FROM)
        replace(sender, context=trusting).send(mail)
    assert len(server.letters) == 1
    assert server.in_the_clear == ["EHLO", "STARTTLS"]


def test_a_certificate_that_nobody_trusts_is_given_nothing(tmp_path, mail):
    shown, _ = make_certificate(tmp_path)
    with run_mail_server(MailServer(tls=shown, login=("contest", "secret"))) as server:
        sender = open_sender(f"smtp://contest:secret@localhost:{server.port}", FROM)
        with pytest.raises(SendFailed, match="certificate"):
            sender.send(mail)
    assert server.in_the_clear == ["EHLO", "STARTTLS"]


def test_a_wrong_password_is_the_organisers_to_mend_and_loses_nothing(tmp_path, mail):
    shown, trusting = make_certificate(tmp_path)
    with run_mail_server(MailServer(tls=shown, login=("contest", "secret"))) as server:
        sender = open_sender(f"smtp://contest:wrong@localhost:{server.port}", FROM)
        with pytest.raises(SendFailed, match="535") as failed:
            replace(sender, context=trusting).send(mail)
    assert not failed.value.for_good


def test_a_password_is_not_shown_to_a_server_elsewhere_without_tls(server, mail):
    """127.1 is this machine, by a name that is not on the list of those that are trusted to be."""
    sender = replace(open_smtp(server, "contest:secret@"), host="127.1")
    with pytest.raises(SendFailed, match="offers no TLS"):
        sender.send(mail)
    assert "AUTH" not in server.in_the_clear


def test_a_folder_holds_a_file_a_letter(tmp_path, mail):
    sender = open_sender(f"file:{tmp_path}/out%20box", FROM)
    sender.send(mail)
    sender.send(mail)
    files = list((tmp_path / "out box").iterdir())
    assert [file.name for file in files] == ["01letter.eml"]
    letter = message_from_bytes(files[0].read_bytes(), policy=policy.default)
    assert (letter["To"], letter.get_content()) == ("ada@example.org", BODY)


def test_a_folder_that_is_gone_is_tried_again(tmp_path, mail):
    with pytest.raises(SendFailed, match="No such file"):
        Folder(tmp_path / "gone", FROM).send(mail)


def test_the_console_shows_letters(mail):
    stream = io.StringIO()
    Console(stream, FROM).send(mail)
    assert "ada@example.org" in stream.getvalue()
    assert "code=abc_-" in stream.getvalue()
    assert isinstance(open_sender("console:", FROM), Console)


@pytest.mark.parametrize(
    "url", ["", "http://x", "smtp:", "smtp://", "file:", "file://host/x", "smtp://h:port", "mail@x.org"]
)
def test_what_is_no_sender_is_refused_without_its_password(url):
    with pytest.raises(BadOption, match="--mail"):
        open_sender(url, FROM)


def test_an_error_does_not_show_the_password():
    with pytest.raises(BadOption) as refused:
        open_sender("smtp://user:hunter22@host:port", FROM)
    assert "hunter22" not in str(refused.value)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadOption, match="name a folder"):
        open_sender(f"file:{tmp_path}/file", FROM)
