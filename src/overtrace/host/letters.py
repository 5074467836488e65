"""The texts of all letters that a host sends.

None tells what strangers typed about themselves to an address that is not confirmed: it may be an advertisement.
Subjects hold no names: they are kept when a letter is sent and its text is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from overtrace.host.site import Site


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent by e-mail."""

    subject: str
    body: str


def confirm(site: Site, code: str, until: datetime) -> Letter:
    """To whoever registered."""
    return _write(
        site,
        "Confirm your e-mail address",
        "Someone, probably you, registered with this e-mail address. To confirm it, open",
        _link(site, "/account/confirm", code),
        f"before {_show(until)} and type the password that you chose.",
        "If it was not you, do nothing: without this letter nobody can use the account.",
    )


def known(site: Site) -> Letter:
    """To whoever has an account and registered once more, or wanted to move another account to this address."""
    return _write(
        site,
        "You have an account already",
        "Someone, probably you, wanted to use this e-mail address for an account. There is one already: log in at",
        f"{site.address}/account/login",
        "If you do not know its password any more, ask there for a new one. If it was not you, do nothing.",
    )


def password(site: Site, code: str, until: datetime) -> Letter:
    """To whoever asked to set a password anew."""
    return _write(
        site,
        "Set a new password",
        "Someone, probably you, asked to set a new password for your account. To do so, open",
        _link(site, "/account/password", code),
        f"before {_show(until)}. All browsers will be logged out, and all tokens revoked.",
        "If it was not you, do nothing: your password stays as it is.",
    )


def password_changed(site: Site) -> Letter:
    """To whom it belongs."""
    return _write(
        site,
        "Your password was changed",
        "The password of your account was changed. If it was not you, set a new one at",
        f"{site.address}/account/login",
    )


def move(site: Site, code: str, until: datetime) -> Letter:
    """To the new address of an account."""
    return _write(
        site,
        "Confirm your new e-mail address",
        "Someone, probably you, wants to use this e-mail address for an account. To confirm it, log in and open",
        _link(site, "/account/email", code),
        f"before {_show(until)}. If it was not you, do nothing.",
    )


def moved(site: Site) -> Letter:
    """To the old address of an account."""
    return _write(
        site,
        "Your account has a new e-mail address",
        "Your account has a new e-mail address: this is the last letter to the old one.",
        _ask(site),
    )


def linked(site: Site) -> Letter:
    """To whose account may be entered by OpenID from now on."""
    return _write(
        site,
        "You can log in by OpenID",
        "Your account was linked to a log-in by OpenID, which vouched for this e-mail address.",
        _ask(site),
    )


def invitation(site: Site, team: str, code: str, until: datetime) -> Letter:
    """To whom a place in a team is offered."""
    return _write(
        site,
        "You are invited to a team",
        f"The team {team!r} offers you a place. To accept or decline it, open",
        _link(site, "/teams/invitation", code),
        f"before {_show(until)}. If you know nothing of this, do nothing.",
    )


def roster(site: Site, team: str, what: str) -> Letter:
    """To the members of a team when it has changed."""
    said = (
        f"Your team {team!r} has changed: {what}. All members are asked to look at it, and to agree to their order, at"
    )
    return _point(site, f"Your team: {what}", said, "/team")


def asked(site: Site, place: int, until: datetime, *, promoted: bool) -> Letter:
    """To the members of a team among the first places."""
    moved = "A team before yours has dropped out, and yours moves up. " if promoted else ""
    return _write(
        site,
        "Your team is asked for its container",
        f"{moved}Your team has rank {place} on the final board. For this rank to become final, it delivers the "
        "container image and the weights that made its answer; they are run again here. See what is wanted, or say "
        "that you do not deliver, at",
        f"{site.address}/team/delivery",
        f"Both files have to begin to come before {_show(until)}; whoever does not deliver until then has no rank, and "
        "the next team follows.",
    )


def reminder(site: Site, until: datetime, gaps: Sequence[str]) -> Letter:
    """To the members of a team that has not delivered."""
    said = "; ".join(gaps) if gaps else "all is there, but it was not handed over"
    missing = f"Your team has time until {_show(until)} to deliver its container. What is missing: {said}. "
    lead = f"{missing}Deliver it, or say that you do not, at"
    return _point(site, "Reminder: your container is waited for", lead, "/team/delivery")


def delivered(site: Site, image: str, weights: str) -> Letter:
    """To the members of a team that has delivered."""
    return _write(
        site,
        "Your delivery is here",
        "All that was asked for is here, and stands:",
        f"container image, SHA-256 {image}\nweights, SHA-256 {weights}",
        "It is run again; what comes of it is shown at",
        f"{site.address}/winners",
    )


def verified(site: Site, what: str) -> Letter:
    """To the members of a team whose container made its answer again."""
    said = f"The container of your team was run again: {what}. Its place stands. See all at"
    return _point(site, "Your container was run again", said, "/winners")


def dropped(site: Site, why: str) -> Letter:
    """To the members of a team that has no final rank any more."""
    return _write(
        site,
        "Your team has no final rank",
        f"Your team has no rank on the final board any more. {_begin(why)}.",
        *_name_way(site),
    )


def _name_way(site: Site) -> tuple[str, ...]:
    """What to do against a decision."""
    days = site.contest.appeals.days
    if not days:
        return (f"If you think that this is wrong, write to {site.contest.organisers[0].email}.",)
    within = f"{days} {'day' if days == 1 else 'days'}"
    return f"If you think that this is wrong, appeal within {within} at", f"{site.address}/appeals"


def announced(site: Site) -> Letter:
    """To the members of all teams."""
    return _write(
        site,
        "The results are announced",
        f"The results are announced. Read them at\n\n{site.address}/announcement",
        f"If you have a certificate, it is on the page of your account:\n\n{site.address}/account",
    )


def appeal(site: Site, appeal_id: str, what: str) -> Letter:
    """To the members of a team, or to organisers, when something has happened in an appeal."""
    return _point(site, "An appeal", f"{_begin(what)}. Read and answer at", f"/appeals/{appeal_id}")


def concerned(site: Site, number: int) -> Letter:
    """To the members of a team on which the decision of another's appeal has an effect."""
    said = (
        f"The organisers have decided appeal {number}, which has an effect on your team. Read what it is, and why, at"
    )
    return _point(site, "A decision concerns your team", said, "/appeals")


def to_organisers(site: Site, what: str) -> Letter:
    """To organisers, when something has moved on by itself."""
    return _point(site, f"Winners: {what}", f"{_begin(what)}. See the state of all at", "/organise/winners")


def _point(site: Site, subject: str, said: str, path: str) -> Letter:
    """What has happened, and where to go on."""
    return _write(site, subject, said, f"{site.address}{path}")


def _begin(text: str) -> str:
    """As a sentence begins."""
    return text[:1].upper() + text[1:]


def _write(site: Site, subject: str, *paragraphs: str) -> Letter:
    title = site.contest.title
    return Letter(f"[{title}] {subject}", "\n\n".join([*paragraphs, f"-- \n{title}\n{site.address}"]) + "\n")


def _link(site: Site, path: str, code: str) -> str:
    return f"{site.address}{path}?{urlencode({'code': code})}"


def _ask(site: Site) -> str:
    return f"If it was not you, write to {site.contest.organisers[0].email} at once."


def _show(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
