"""What a team says of its work: the method, pretrained models and other data; and what it lacks for a final rank."""

import re
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from overtrace.errors import BadOption, NotFound, Refused
from overtrace.host.contest import Contest, Track
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.markdown import count_words
from overtrace.host.names import clean_line, clean_name
from overtrace.host.tables import Declaration, Team
from overtrace.host.teams import find_members, is_locked, lock_team

KINDS = {"model": "pretrained models", "data": "other data"}
MOST_DECLARATIONS = 100
MOST_WORD_LETTERS = 20
"""On average: a text may be as long as its words, not as one endless word."""
SHA256 = re.compile(r"[0-9a-f]{64}")


def write_method(session: Session, contest: Contest, person_id: str, text: str, at: datetime) -> None:
    """Describe the method in Markdown; an unfinished text may be short.

    Raises:
        BadOption: if it is too long.
    """
    team = lock_team(session, person_id)
    words, most = count_words(text), contest.description.most_words
    if words > most or len(text) > most * MOST_WORD_LETTERS:
        raise BadOption(f"the method has {words} words in {len(text)} letters: wanted at most {most} words")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadOption("the method holds bytes that are no text: save it as UTF-8")
    team.method = text
    record(session, f"person:{person_id}", "method.written", f"team:{team.id}", at, words=words)


def attach_document(session: Session, person_id: str, sha256: str, name: str, at: datetime) -> None:
    """Attach a description that was uploaded.

    Args:
        sha256: of a blob that this team has just sent whole. The caller answers for that, and never takes it from a
            form: by a digest alone a team would get at what another one sent.
        name: of the file.
    """
    if not SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256")
    team = lock_team(session, person_id)
    team.document, team.document_name = sha256, clean_name(name.replace("\\", "/").rpartition("/")[2], "the file name")
    record(session, f"person:{person_id}", "document.attached", f"team:{team.id}", at, sha256=sha256)


def detach_document(session: Session, person_id: str, at: datetime) -> None:
    """Take the attached description away."""
    team = lock_team(session, person_id)
    if team.document:
        record(session, f"person:{person_id}", "document.detached", f"team:{team.id}", at, sha256=team.document)
        team.document = team.document_name = ""


def declare(
    session: Session, person_id: str, kind: str, name: str, address: str, licence: str, sha256: str, at: datetime
) -> Declaration:
    """Declare a pretrained model or other data; the team has to say anew that all is declared.

    Args:
        kind: ``model`` or ``data``.
        address: where others find it.
        sha256: of the weights; may be empty.
    Raises:
        BadOption: if one of them cannot be so.
        Refused: if there are too many.
    """
    if kind not in KINDS:
        raise BadOption(f"{kind[:40]!r}: wanted {' or '.join(KINDS)}")
    sha256 = sha256.strip().lower()
    if sha256 and not SHA256.fullmatch(sha256):
        raise BadOption("the SHA-256 is not one: wanted 64 digits from 0 to f, as sha256sum prints them")
    facts = {"name": clean_name(name, "the name"), "address": _clean_address(address)}
    facts["licence"] = clean_name(licence, "the licence")
    team = lock_team(session, person_id)
    if len(find_declarations(team)) >= MOST_DECLARATIONS:
        raise Refused(f"{MOST_DECLARATIONS} declarations are there: take one back, or name several in one")
    made = Declaration(id=new_id(at), team_id=team.id, kind=kind, sha256=sha256, created_at=at, **facts)
    team.declarations.append(made)
    team.declared_at = None
    record(session, f"person:{person_id}", "declaration.made", f"team:{team.id}", at, declaration=made.id, kind=kind)
    return made


def take_back_declaration(session: Session, person_id: str, declaration_id: str, at: datetime) -> None:
    """Take a declaration back; the team has to say anew that all is declared.

    Raises:
        NotFound: if there is no such one.
    """
    team = lock_team(session, person_id)
    found = [made for made in find_declarations(team) if made.id == declaration_id]
    if not found:
        raise NotFound("there is no such declaration: look at the list of them")
    found[0].removed_at = at
    team.declared_at = None
    record(session, f"person:{person_id}", "declaration.taken back", f"team:{team.id}", at, declaration=found[0].id)


def declare_complete(session: Session, person_id: str, at: datetime) -> None:
    """Say that all pretrained models and other data are declared, if only that there are none."""
    team = lock_team(session, person_id)
    team.declared_at = at
    count = len(find_declarations(team))
    record(session, f"person:{person_id}", "declarations.complete", f"team:{team.id}", at, count=count)


def find_declarations(team: Team) -> list[Declaration]:
    """Those that stand, in the order in which they were made."""
    return [made for made in team.declarations if made.removed_at is None]


def find_lacks(team: Team, contest: Contest, at: datetime) -> list[str]:
    """All that is missing before a final rank, a sentence each; empty if nothing is."""
    if team.withdrawn_at is not None:
        return ["the team was withdrawn"]
    if team.disqualified_at is not None:
        return [f"the team is disqualified: {team.disqualified_why}"]
    return [
        *_find_lacks_of_members(team, contest, at),
        *_find_lacks_of_method(team, contest),
        *_find_lacks_of_declarations(team, contest, at),
    ]


def _find_lacks_of_members(team: Team, contest: Contest, at: datetime) -> list[str]:
    members, most = find_members(team), contest.teams.most_members
    lacks = []
    if len(members) > most:
        remedy = "ask the organisers" if is_locked(contest, at) else "some have to leave"
        lacks.append(f"the team has {len(members)} members, at most {most} are allowed: {remedy}")
    if team.contact.erased_at is not None or team.contact_id not in {member.person_id for member in members}:
        lacks.append("the team has no contact: the organisers name one")
    silent = [member.person.name for member in members if member.agreed_at is None and member.person.erased_at is None]
    if contest.teams.ordered and len(members) > 1 and silent:
        lacks.append(f"the order of contribution waits for the agreement of {', '.join(silent)}")
    return lacks


def _find_lacks_of_method(team: Team, contest: Contest) -> list[str]:
    wanted = contest.description
    words = count_words(team.method)
    if not wanted.required or team.document or (words and words >= wanted.least_words):
        return []
    if not words:
        return ["the method is not described: write or attach a description"]
    return [f"the description of the method has {words} words: at least {wanted.least_words} are wanted"]


def _find_lacks_of_declarations(team: Team, contest: Contest, at: datetime) -> list[str]:
    made = find_declarations(team)
    lacks = []
    if team.declared_at is None:
        lacks.append("the team has not said that all pretrained models and other data are declared")
    lacks += [
        f"the declared model {one.name!r} has no SHA-256" for one in made if one.kind == "model" and not one.sha256
    ]
    if not contest.tracks:
        return lacks
    track = next((track for track in contest.tracks if track.name == team.track), None)
    if track is None:
        return [*lacks, f"the team is in no track: choose one of {', '.join(known.name for known in contest.tracks)}"]
    remedy = "ask the organisers" if is_locked(contest, at) else "take them back, or choose another track"
    counts = {kind: sum(one.kind == kind for one in made) for kind in _find_forbidden(track)}
    return lacks + [
        f"the track {track.title!r} allows no {KINDS[kind]}, and the team declares {count}: {remedy}"
        for kind, count in counts.items()
        if count
    ]


def _find_forbidden(track: Track) -> list[str]:
    rules = {"model": track.pretrained, "data": track.other_data}
    return [kind for kind, rule in rules.items() if rule == "no"]


def _clean_address(address: str) -> str:
    cleaned = clean_line(address, "the address", 500)
    try:
        parts = urlsplit(cleaned)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in cleaned
    except ValueError:
        good = False
    if not good:
        raise BadOption(f"{cleaned[:80]!r} is no address: wanted one that begins with https://")
    return cleaned
