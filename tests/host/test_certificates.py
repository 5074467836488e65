"""Certificates: given to those who delivered, refused if one letter is changed, checked without the host, printed."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from overtrace.cli import certificate
from overtrace.errors import BadData
from overtrace.host.announcement import Announcement, Entry, Honour, Named
from overtrace.host.certificate_page import draw_certificate
from overtrace.host.certificates import SIGNED, list_certificates, seal, verify_certificate, write_code
from overtrace.host.person_data import erase_person
from overtrace.host.receipts import show_public_key
from overtrace.host.site import Site
from tests.support.announced import hold, serve_over
from tests.support.browser import Watch
from tests.support.commands import run
from tests.support.people import make_site
from tests.support.web import END, post

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = show_public_key(KEY)
HOSTILE = '</script><script>alert(1)</script> & "王伟" <!-- Ærø'


def announce(person: str = "王伟", site: Site | None = None, **facts: str) -> list[tuple[str, dict]]:
    """Certificates of a team of two; the second member is erased."""
    members = (Named(person="p1", name=person, affiliation="武汉大学"), Named(person="", name="Former", affiliation=""))
    whole = {"name": "Lakes", "submission": "s" * 26, "scorer": "test 1", "truth": "7" * 64, **facts}
    entry = Entry(team="t1", members=members, rank=2, score=0.8125, awards=("Second prize",), **whole)
    found = Announcement(
        phase="final", phase_title="Final", board="all", board_title="All", text="", places=6, entries=(entry,),
        honours=(Honour(title="Jury prize", team="t1"), Honour(title="Another", team="t2")), published_at=END,
    )  # fmt: skip
    return list(list_certificates(site or make_site(), found))


@pytest.fixture(scope="module")
def file():
    return draw_certificate(KEY, announce()[0][1])


def test_a_certificate_says_who_did_what(file):
    facts = verify_certificate(file, PUBLIC)
    assert [person for person, _ in announce()] == ["p1"]
    assert facts == announce()[0][1]
    shown = {key: facts[key] for key in ("name", "affiliation", "team", "position", "members", "rank", "score")}
    assert shown == {
        "name": "王伟",
        "affiliation": "武汉大学",
        "team": "Lakes",
        "position": 1,
        "members": 2,
        "rank": 2,
        "score": "0.8125",
    }
    assert (facts["awards"], facts["announced"]) == ("Second prize; Jury prize", "2026-06-01")
    assert verify_certificate(file, KEY.public_key().public_bytes_raw().hex()) == facts


def test_a_file_with_one_letter_changed_is_refused(file):
    begin, end = SIGNED.search(file).span()
    # Each letter of the JSON, and one in 20 of the page, whose digest it is.
    for i in sorted({*range(begin, end), *range(0, len(file), 20)}):
        for letter in (chr(ord(file[i]) ^ 1), ""):
            changed = file[:i] + letter + file[i + 1 :]
            # Blanks in the JSON say nothing.
            if letter or file[i] != "\n":
                with pytest.raises(BadData):
                    verify_certificate(changed, PUBLIC)


def test_what_says_other_than_the_page_is_refused(file):
    _, other = announce("Eve")[0]
    swapped = SIGNED.sub(SIGNED.search(draw_certificate(KEY, other))[0].replace("\\", "\\\\"), file)
    with pytest.raises(BadData, match="the page was changed"):
        verify_certificate(swapped, PUBLIC)
    with pytest.raises(BadData, match="this is no certificate"):
        verify_certificate(file + SIGNED.search(file)[0], PUBLIC)
    with pytest.raises(BadData, match="only a part"):
        verify_certificate(SIGNED.search(file)[1], PUBLIC)


def test_a_certificate_of_another_host_is_refused(file):
    with pytest.raises(BadData, match="not signed by this host"):
        verify_certificate(file, show_public_key(Ed25519PrivateKey.generate()))


def test_lines_that_end_as_on_windows_change_nothing(file):
    assert verify_certificate(file.replace("\n", "\r\n") + "\r\n", PUBLIC)["rank"] == 2


def test_names_of_strangers_do_nothing():
    file = draw_certificate(KEY, announce(HOSTILE, name=HOSTILE)[0][1])
    assert verify_certificate(file, PUBLIC)["name"] == HOSTILE
    assert file.count("<script") == file.count("</script") == 1
    assert file.count("<!--") == 0


def test_the_code_on_paper_says_the_same():
    facts = announce()[0][1]
    code = write_code(KEY, facts)
    assert code.isascii()
    assert verify_certificate(code, PUBLIC) == facts
    for i in range(len(code)):
        with pytest.raises(BadData):
            verify_certificate(code[:i] + chr(ord(code[i]) ^ 1) + code[i + 1 :], PUBLIC)


def test_a_certificate_too_long_for_a_code_has_none():
    long = announce("王" * 100, name="名" * 100, scorer="x" * 64)[0][1] | {"affiliation": "大" * 200}
    file = draw_certificate(KEY, long)
    assert "<svg" not in file
    assert verify_certificate(file, PUBLIC) == long


def test_a_page_with_two_marks_is_not_sealed():
    with pytest.raises(ValueError, match="not one to be sealed"):
        seal(KEY, "@ and @", "@", {"kind": "x"})


def test_a_certificate_says_that_a_container_was_run_again():
    file = draw_certificate(KEY, announce(verdict="verified")[0][1])
    assert verify_certificate(file, PUBLIC)["verdict"] == "verified"
    assert "ran its container again: verified" in file


@pytest.fixture
def folder(tmp_path, file):
    (tmp_path / "good.html").write_text(file)
    (tmp_path / "bad.html").write_text(file.replace("Rank 2", "Rank 1"))
    (tmp_path / "key.json").write_text(json.dumps({"ed25519": PUBLIC}))
    (tmp_path / "no_key.json").write_text("{}")
    (tmp_path / "image.html").write_bytes(b"\xff\xfe")
    (tmp_path / "large.html").write_bytes(b" " * (2**20 + 1))
    return tmp_path


def test_the_command_line_tells_genuine_from_changed(folder):
    good = run("certificate", "verify", "good.html", "--key", "key.json", cwd=folder)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("genuine: 王伟, 武汉大学; member 1 of 2 of the team Lakes; rank 2 of 1 by Final: All")
    bad = run("certificate", "verify", "bad.html", "--key", PUBLIC, cwd=folder)
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (1, "", 1)
    assert "the page was changed" in bad.stderr


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("good.html", "no_key.json", "--key is JSON without a key"),
        ("good.html", "AAAA", "is no public key"),
        ("none.html", PUBLIC, "cannot be read: No such file"),
        ("image.html", PUBLIC, "is no UTF-8"),
        ("large.html", PUBLIC, "is longer than 1,048,576 bytes"),
    ],
)
def test_what_the_command_line_cannot_check(folder, monkeypatch, name, key, said):
    monkeypatch.chdir(folder)
    with pytest.raises(BadData, match=said):
        certificate.verify(Path(name), key)


def test_the_command_line_tells_programs_all(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    certificate.verify(Path("good.html"), "key.json", json_out=True)
    assert json.loads(capsys.readouterr().out) == announce()[0][1]


@pytest.fixture(scope="module")
def over(tmp_path_factory):
    with serve_over(tmp_path_factory.mktemp("certificates")) as host:
        yield hold(host)


def fetch(over, name):
    return over.host.enter(over.people[name]).get("/account/certificate")


def test_they_are_given_once_the_results_are_announced(over):
    public = over.host.client().get("/api/v1/key").json()["ed25519"]
    organiser = over.host.enter(over.olga)
    assert fetch(over, "Ada").status_code == 404
    assert organiser.get("/organise/announcement/certificates.zip").status_code == 409
    assert "/account/certificate" not in over.host.enter(over.people["Ada"]).get("/account").text
    over.announce()
    assert "/account/certificate" in over.host.enter(over.people["Ada"]).get("/account").text
    facts = verify_certificate(fetch(over, "Bob").text, public)
    assert [facts[key] for key in ("team", "position", "rank", "ranked")] == ["Forest", 2, 1, 3]
    assert "rank" not in verify_certificate(fetch(over, "Eve").text, public)
    assert [fetch(over, name).status_code for name in ("Dora", "Ivo")] == [404, 404]
    archive = zipfile.ZipFile(io.BytesIO(organiser.get("/organise/announcement/certificates.zip").content))
    assert sorted(verify_certificate(archive.read(one).decode(), public)["name"] for one in archive.namelist()) == [
        "Ada <b>Lovelace</b>",
        "Bob",
        "Cy",
        "Eve",
        "王伟",
    ]
    assert over.host.enter(over.people["Ada"]).get("/organise/announcement/certificates.zip").status_code == 403


def test_a_page_of_the_host_checks_one(over):
    over.announce()
    file = fetch(over, "王伟").content
    visitor = over.host.client()

    def check(content, **fields):
        files = {"file": ("c.html", content)} if content else None
        return post(visitor, "/certificate", "/certificate", files=files, **fields).text

    assert "Signed by this host, and unchanged" in check(file)
    assert "rank 2 of 3" in check(file)
    assert "Not genuine: the page was changed" in check(file.replace(b"Rank 2", b"Rank 1"))
    assert "Not genuine: " in check(b"\xff\x00")
    assert "Not genuine: " in check(None, code="hello")


def test_the_erased_have_none(over):
    over.announce()
    visitor = over.host.enter(over.people["Cy"])
    assert visitor.get("/account/certificate").status_code == 200
    with over.host.settings.database.write() as session:
        erase_person(session, over.host.settings.site, over.people["Cy"].id, over.host.clock())
    content = over.host.enter(over.olga).get("/organise/announcement/certificates.zip").content
    assert not [name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if "Cy" in name]


@pytest.mark.parametrize("long", [False, True])
def test_it_prints_on_one_page(browser, tmp_path, long):
    if long:
        site = make_site(title="A contest with a long title " * 7)
        facts = announce("Wolfeschlegelsteinhausen " * 4, site, name="team " * 20)[0][1]
        facts |= {"affiliation": "Institute of Long Names and Longer Departments " * 4}
    else:
        facts = announce()[0][1]
    path = tmp_path / "c.html"
    path.write_text(draw_certificate(KEY, facts))
    watch = Watch()
    page = watch.see(browser.new_page())
    page.goto(path.as_uri())
    assert "Rank 2 of 1" in page.inner_text("main")
    inside = "main => main.scrollHeight <= main.clientHeight && main.scrollWidth <= main.clientWidth"
    assert page.eval_on_selector("main", inside)
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b", printed)) == 1
    page.close()
    watch.check("file:", "data:")
