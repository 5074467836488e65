"""Appeals on pages: opened, answered and decided by forms, and read by those whom they concern."""

from tests.support.submissions import add_score
from tests.support.web import END, make_phase, post, serve_contest, wait_for


def test_an_appeal_from_its_form_to_its_public_summary(tmp_path):
    with serve_contest(tmp_path, make_phase("final"), appeals={"days": 3}) as host:
        ada, bob, organiser = (host.add_person(name) for name in ("Ada", "Bob", "Olga"))
        sent = [
            add_score(host.settings.database, host.add_team(f"Team {one.name}", one), one, score)
            for one, score in ((ada, 0.9), (bob, 0.8))
        ]
        assert "appeals begin at" in host.enter(ada).get("/appeals").text.lower()
        host.clock.fixed = END
        ada, bob, olga, nobody = host.enter(ada), host.enter(bob), host.enter(organiser), host.client()
        words = "<img src=x onerror=alert(1)> [here](javascript:alert(1)) **their score**"
        opened = post(ada, "/appeals", "/appeals", subject="Two accounts", text=words)
        assert opened.status_code == 303
        here = opened.headers["location"]
        said = olga.get(here).text
        assert [part in said for part in ("<strong>their score</strong>", "<img", 'href="javascript')] == [
            True,
            False,
            False,
        ]
        assert olga.get("/organise/appeals").text.count(here) == 1
        assert (bob.get(here).status_code, nobody.get(here).status_code) == (404, 303)
        assert post(olga, here, f"{here}/say", text="We look into it.").status_code == 303
        for browser, path in ((bob, "say"), (bob, "withdraw"), (bob, "decide"), (ada, "decide")):
            refused = post(browser, "/account", f"{here}/{path}", text="x", sure="yes", upheld="true", summary="x")
            assert refused.status_code in (403, 404)
        # Another site has no token of the form.
        assert olga.post(f"{here}/decide", data={"upheld": "true", "text": "x", "summary": "x"}).status_code == 403
        assert "Two accounts" not in nobody.get("/appeals").text
        assert "1 appeal is open" in nobody.get("/appeals").text
        effect = {"effect": "take a submission off the boards", "target": sent[1]}
        ruled = post(olga, here, f"{here}/decide", upheld="true", text="Yes.", summary="It was *one* person.", **effect)
        assert ruled.status_code == 303
        public = nobody.get("/appeals").text
        wanted = ("upheld", "It was <em>one</em> person.", "take a submission off the boards: submission 1 of Team Bob")
        assert [part in public for part in wanted] == [True] * 3
        assert [part in public for part in ("Two accounts", "their score", "Yes.")] == [False] * 3
        board = nobody.get("/api/v1/boards/final/all").json()
        assert [row["team"] for row in board["rows"]] == ["Team Ada"]
        log = olga.get("/organise/log?action=appeal").text
        assert [word in log for word in ("appeal.opened", "appeal.answered", "appeal.upheld")] == [True] * 3
        wait_for(lambda: sum("concerns your team" in one.read_text() for one in host.mails.glob("*.eml")) == 1)
