"""Pictures of what follows the end of a contest for docs/images: ``python -m docs.make_after_pictures``.

A contest whose teams and scores do not exist, on a real host. Needs Debian's chromium and playwright.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright
from sqlalchemy import select

from docs.make_host_pictures import CHROMIUM, QUIET, WIDE, take
from overtrace.host.appeals import Decision, decide, open_appeal, say
from overtrace.host.deliveries import take as take_delivery
from overtrace.host.dossiers import declare_complete, write_method
from overtrace.host.replicating import record_verdict, state_refusal
from overtrace.host.replication import PartResult, Reason, Report, RunResult, Verdict
from overtrace.host.tables import Person
from overtrace.host.tables_after import Delivery, Effect
from overtrace.host.visits import open_visit
from overtrace.host.web.visitors import VISIT
from overtrace.host.winners import ask_winners
from tests.support.submissions import add_score
from tests.support.web import END, Served, make_board, make_phase, post, serve_contest

CITIES = {"AOI_2_Vegas": 0.894, "AOI_3_Paris": 0.761, "AOI_4_Shanghai": 0.689, "AOI_5_Khartoum": 0.572}
TEAMS = {
    "Canopy Cartographers": ("Ines Carvalho", "Institute of Forest Mapping", 0.731),
    "Crown Royal": ("Aino Virtanen", "Northern University of Technology", 0.729),
    "understorey": ("Priya Raman", "Delta Remote Sensing Group", 0.702),
    "LiDAR-free": ("Marta Nowak", "University of the Coast", 0.655),
}
METHOD = "# Footprints by distance to the wall\n\nA network says of each pixel how far the nearest wall is. " * 3
FACTS: dict[str, Any] = {
    "title": "Building footprints 2026",
    "replication": {"winners": 2},
    "appeals": {"days": 7},
    "description": {"required": False},
    "awards": [
        {"title": "First prize", "prize": "EUR 2,000", "rank": 1},
        {"title": "Second prize", "prize": "EUR 1,000", "rank": 2},
    ],
}


def main() -> None:
    """Hold the contest, and take all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        phase = make_phase("final", boards=[make_board("all", title="Mean F1", columns=[])])
        with serve_contest(Path(folder), phase, **FACTS) as host, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            people = fill(host)
            appeal = deliver_and_appeal(host, people)
            organiser = enter(browser, host, people[-1])
            take(organiser, "/organise/winners", "host-verdict", script="document.querySelector('details').open = true")
            take(organiser, f"/appeals/{appeal}", "host-appeal")
            rule(host, people, appeal)
            publish(host, people[-1])
            take(browser.new_context(base_url=host.address, **WIDE), "/announcement", "host-announcement")
            browser.close()


def fill(host: Served) -> list[Person]:
    """Teams of one, with a score each; the last person organises. The contest ends."""
    database, people = host.settings.database, []
    for name, (person, affiliation, score) in TEAMS.items():
        made = host.add_person(person)
        team = host.add_team(name, made)
        add_score(database, team, made, score)
        with database.write() as session:
            session.get_one(Person, made.id).affiliation = affiliation
            write_method(session, host.settings.contest, made.id, METHOD, host.clock())
            declare_complete(session, made.id, host.clock())
        people.append(made)
    host.clock.fixed = END + timedelta(hours=9)
    return [*people, host.add_person("Olga")]


def deliver_and_appeal(host: Served, people: Sequence[Person]) -> str:
    """Both winners deliver, one fails, and appeals; the id of the appeal."""
    database, site = host.settings.database, host.settings.site
    with database.write() as session:
        ask_winners(session, site, host.clock(), "person:olga")
        state_refusal(session, "")
    host.clock.fixed = END + timedelta(days=2, hours=14)
    with database.write() as session:
        for one in session.scalars(select(Delivery).order_by(Delivery.place)).all():
            one.image, one.weights = (hashlib.sha256(f"{one.place}{kind}".encode()).hexdigest() for kind in "iw")
            one.image_name, one.weights_name = "team.tar", "model.onnx"
            one.image_size, one.weights_size = 1_412_331_520 + one.place, 96_443_221 * one.place
            take_delivery(session, site, one, host.clock(), "host")
            text = make_report(one, failed=one.place == 2).model_dump_json()
            record_verdict(session, site, one.id, text, host.clock(), "host")
    host.clock.fixed = END + timedelta(days=3, hours=10)
    words = (
        "Both halves of our file of weights are **one** network: first its encoder, then its decoder. "
        "Where the encoder finds no building, the decoder is not asked, and most images of Khartoum in the sample hold "
        "none or one.\n\nWe ask for another run with images that hold buildings."
    )
    with database.write() as session:
        bob = session.get_one(Person, people[1].id)
        appeal = open_appeal(session, site, bob.id, "Our container holds one model", words, host.clock()).id
    host.clock.fixed += timedelta(hours=2)
    with database.write() as session:
        olga = session.get_one(Person, people[-1].id)
        say(session, site, appeal, olga, "Thank you. We look at the sample, and run it again.", host.clock())
    return appeal


def make_report(one: Delivery, *, failed: bool) -> Report:
    """What running a container again might say."""
    score = TEAMS["Crown Royal" if failed else "Canopy Cartographers"][2]
    shift = 0.0 if failed else 0.0007
    parts = [
        PartResult(name=city, claimed=f1, found=round(f1 - 4 * shift * (city[-1] == "m"), 6))
        for city, f1 in CITIES.items()
    ]
    times = {"begun_at": END + timedelta(days=2), "ended_at": END + timedelta(days=2, hours=1)}
    return Report(
        verdict=Verdict.FAILED if failed else Verdict.WITHIN,
        reason=Reason.TWO_MODELS if failed else Reason.NONE,
        said="the first half of its weights decides AOI_2_Vegas, and does nothing for AOI_5_Khartoum"
        if failed
        else f"found {score - shift:.6f}, claimed {score:.6f}; AOI_5_Khartoum differs most, by {4 * shift:.6f}",
        scores=(PartResult(name="", claimed=score, found=round(score - shift, 6)), *parts),
        tolerance=0.005,
        runs=(RunResult(name="all images", images=2_000, seconds=1_911.4, exit_code=0, peak_memory_bytes=3 * 2**30),),
        digests={"archive": one.image, "weights": one.weights},
        isolation="podman runc",
        scorer="overtrace",
        **times,
    )


def rule(host: Served, people: Sequence[Person], appeal: str) -> None:
    """The appeal is upheld, and the team verified after all."""
    database, site = host.settings.database, host.settings.site
    summary = "The sample held too few buildings to tell halves of the weights apart. The container was run again."
    with database.write() as session:
        olga = session.get_one(Person, people[-1].id)
        team = session.scalars(select(Delivery).where(Delivery.place == 2)).first().team_id
        decide(
            session, site, appeal, olga, Decision(True, "You are right.", summary, Effect.ASK_AGAIN, team), host.clock()
        )
    with database.write() as session:
        for one in session.scalars(select(Delivery).where(Delivery.state.in_(("asked", "reminded")))).all():
            one.image, one.weights = one.image or "1" * 64, one.weights or "2" * 64
            take_delivery(session, site, one, host.clock(), "host")
            report = make_report(one, failed=False)
            record_verdict(session, site, one.id, report.model_dump_json(), host.clock(), "host")


def publish(host: Served, organiser: Person) -> None:
    """Announce the results, with a prize beyond the ranks."""
    client = host.enter(organiser)
    with host.settings.database.read() as session:
        team = session.scalars(select(Delivery).order_by(Delivery.id.desc())).first().team_id
    text = "The phase closed on 1 June 2026. Congratulations to all who delivered what was asked!"
    facts = {"board": "final/all", "text": text}
    honour = {"title": "Contribution prize", "prize": "a book", "team": team, "reason": "for open code"}
    assert post(client, "/organise/announcement", "/organise/announcement", **facts, **honour).status_code == 303
    published = post(client, "/organise/announcement", "/organise/announcement/publish", sure="yes")
    assert published.status_code == 303, published.text


def enter(browser: Browser, host: Served, person: Person) -> BrowserContext:
    """A window in which someone is logged in."""
    context = browser.new_context(base_url=host.address, **WIDE)
    with host.settings.database.write() as session:
        visit = open_visit(session, person.id, host.clock())
    context.add_cookies([{"name": VISIT, "value": visit, "url": host.address}])
    return context


if __name__ == "__main__":
    main()
