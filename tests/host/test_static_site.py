"""A contest as a folder: whole, with links that stay inside, and with nothing that is not public."""

import csv
import re
from pathlib import Path
from posixpath import dirname, normpath
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from overtrace.cli import contest
from overtrace.errors import BadContest, BadOption
from overtrace.host.static_site import export_site
from overtrace.host.tables import Fact, Person
from overtrace.host.tables_access import Token, Visit
from tests.support.announced import hold, serve_over
from tests.support.browser import Watch
from tests.support.commands import run_well
from tests.support.web import CANARY, SECRET_IMAGE, make_board, make_phase

VALUE = 0.7351
LINK = re.compile(r'\b(?:href|src|action)="([^"]*)"')


@pytest.fixture(scope="module")
def over(tmp_path_factory):
    blind = make_phase("blind", boards=[make_board("secret", shown="organisers")])
    with serve_over(tmp_path_factory.mktemp("site"), blind) as host:
        held = hold(host)
        host.clock.fixed = held.at.replace(month=3)
        host.give(host.submit(held.people["Cy"], phase="blind"), VALUE)
        host.program(held.people["Ada"], "read")
        held.begin_anew()
        held.announce()
        yield held


@pytest.fixture(scope="module")
def db(over):
    return over.host.settings.database.engine.url.render_as_string()


@pytest.fixture(scope="module")
def site(over, db, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "site"
    said = run_well("contest", "site", over.host.file.path, "--out", out, "--db", db)
    assert said == f"wrote {out}: {len(list_files(out))} files; begin at {out}/index.html\n"
    return out


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def read_all(folder: Path) -> str:
    return "\n".join((folder / name).read_text() for name in list_files(folder))


def test_it_has_every_public_page(over, site):
    teams = [f"teams/{team.id}.html" for team in over.teams.values()]
    boards = [f"board/{name}.{kind}" for name in ("test/all", "test/private", "trial/all") for kind in ("csv", "json")]
    pages = ["index.html", "rules.html", "data.html", "teams.html", "announcement.html", "certificate.html"]
    assert set(list_files(site)) >= {
        *teams,
        *boards,
        *pages,
        "announcement.json",
        "key.json",
        "phases.json",
        "log_head.json",
    }
    visitor = over.host.client()
    for place, address in (
        ("board/test/private.csv", "/board/test/private.csv"),
        ("board/test/all.json", "/board/test/all.json"),
        ("announcement.json", "/announcement.json"),
        ("key.json", "/api/v1/key"),
    ):
        assert (site / place).read_bytes() == visitor.get(address).content
    assert "王伟" in (site / "announcement.html").read_text()


def test_every_link_leads_to_a_file_of_it(site):
    files = set(list_files(site))
    found = []
    for name in files:
        if name.endswith(".html"):
            for link in LINK.findall((site / name).read_text()):
                parts = urlsplit(link)
                if parts.scheme == "https":
                    continue
                assert (parts.scheme, parts.netloc, parts.query) == ("", "", ""), link
                found.append(normpath(f"{dirname(name) or '.'}/{parts.path}") if parts.path else name)
    assert set(found) <= files
    assert {name for name in files if name.startswith(("board/", "teams/", "static/"))} <= set(found)


def test_nothing_that_is_not_public_is_in_it(over, site):
    with over.host.settings.database.read() as session:
        people = session.scalars(select(Person)).all()
        private = session.get_one(Fact, "receipt key").value["private"]
        digests = [*session.scalars(select(Token.digest)), *session.scalars(select(Visit.digest))]
    secrets = [CANARY, SECRET_IMAGE, f"{VALUE:.4f}", "@example.org", "mailto:", private, "argon2", "form_token"]
    secrets += [*digests, *(person.email for person in people), str(over.host.file.folder), "EventSource"]
    text = read_all(site)
    assert digests
    assert [secret for secret in secrets if secret in text] == []
    assert not re.search(r"overtrace_[A-Za-z0-9]{16}|\bhx-", text)
    # The search would find them: an organiser sees that number, and the pages of the host have forms.
    page = over.host.enter(over.olga).get("/board/blind/secret").text
    assert [secret in page for secret in (f"{VALUE:.4f}", "form_token", "mailto:")] == [True] * 3
    assert not (site / "log.csv").exists()


def test_the_log_is_written_if_it_is_wanted(over, db, tmp_path):
    export_site(over.host.file.path, tmp_path / "site", db, log=True)
    rows = list(csv.DictReader((tmp_path / "site" / "log.csv").open()))
    assert [row["number"] for row in rows] == [str(i) for i in range(1, len(rows) + 1)]
    assert "announcement.published" in {row["action"] for row in rows}
    assert rows[-1]["sha256"] == over.host.client().get("/api/v1/log/head").json()["log_sha256"]
    assert "@" not in (tmp_path / "site" / "log.csv").read_text()


def test_a_folder_of_it_is_written_anew_and_any_other_is_left_alone(over, db, tmp_path):
    out = tmp_path / "site"
    out.mkdir()
    export_site(over.host.file.path, out, db)
    (out / "old.html").write_text("from before")
    export_site(over.host.file.path, out, db)
    assert not (out / "old.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    for place in (other, other / "thesis.txt"):
        with pytest.raises(BadOption, match="has something else in it"):
            export_site(over.host.file.path, place, db)
    with pytest.raises(BadOption, match="cannot be written"):
        export_site(over.host.file.path, other / "thesis.txt" / "site", db)
    assert list_files(other) == ["thesis.txt"]


def test_what_is_not_there_is_named(over, db, tmp_path):
    with pytest.raises(BadOption, match=r"there is no host/host.db: name the contest file"):
        contest.site(over.host.file.path, tmp_path / "site", folder=tmp_path / "none")
    with pytest.raises(BadContest, match="cannot be read"):
        export_site(tmp_path / "none.yaml", tmp_path / "site", db)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def page(site, browser):
    watch = Watch()
    page = watch.see(browser.new_page())
    page.goto((site / "index.html").as_uri())
    yield page
    page.close()
    watch.check(site.as_uri())


def test_it_opens_from_a_disk(page):
    page.click("nav >> text=Results")
    assert page.locator(".place h2").all_inner_texts() == ["Rank 1 Forest", "Rank 2 Lakes", "Rank 2 Ties"]
    page.click(".place >> text=Forest")
    page.click("text=Test: Private")
    assert page.locator("tr[data-team] td.team").all_inner_texts()[0] == "Forest"
    assert page.evaluate("getComputedStyle(document.querySelector('header div.top')).display") == "flex"
    assert page.locator("form, button").count() == 0


def test_its_page_checks_certificates(over, site, page):
    file = over.host.enter(over.people["王伟"]).get("/account/certificate").content
    page.goto((site / "certificate.html").as_uri())

    def check(content):
        page.evaluate("document.getElementById('verdict').textContent = ''")
        page.set_input_files("input", {"name": "c.html", "mimeType": "text/html", "buffer": content})
        page.wait_for_function("document.getElementById('verdict').textContent")
        return page.inner_text("#verdict")

    assert check(file).startswith("Signed by this host, and unchanged. 王伟, 武汉大学; member 1 of 1 of the team Lakes")
    assert check(file.replace(b"\n", b"\r\n")).startswith("Signed by this host")
    for changed, said in (
        (file.replace(b"Rank 2", b"Rank 1"), "the page was changed"),
        (file.replace(b'"rank":2', b'"rank":1'), "it was not signed by this host"),
        (file.replace(b'"rank":2', b'"rank": 2'), "it was not signed by this host"),
        (b"<html></html>", "this is no certificate"),
        (b"{}", "this is no certificate"),
    ):
        assert check(changed).startswith(f"Not genuine: {said}")
