"""The protocols by name. Each is imported when it is asked for: what the others need takes longer to load than a small
set to score.
"""

from dataclasses import replace
from importlib import import_module

from overtrace.challenges.challenge import Challenge, Question, Verdict
from overtrace.challenges.inspection import Claim, Inspection
from overtrace.errors import BadAnswer, BadOption
from overtrace.formats.faults import in_order, refuse

MODULES = {
    "itc": "itc",
    "sceneparsing": "sceneparsing",
    "camvid": "sceneparsing",
    "deepglobe": "deepglobe",
    "trees": "trees",
    "own": "own",
}


def find_challenge(protocol: str) -> Challenge:
    """The challenge of a name.

    Raises:
        BadOption: if there is none.
    """
    if protocol not in MODULES:
        raise BadOption(f"no protocol is called {protocol}: use one of {', '.join(MODULES)}")
    challenges: tuple[Challenge, ...] = import_module(f"overtrace.challenges.{MODULES[protocol]}").CHALLENGES
    return next(challenge for challenge in challenges if challenge.name == protocol)


def score_files(protocol: str, question: Question) -> Verdict:
    """Score an answer by the rule of a protocol.

    Raises:
        BadOption: if there is no such protocol or profile.
        BadAnswer: if truth or answer are not in order; of an answer, it knows all faults that a check finds.
    """
    if question.ignore is not None and protocol not in ("itc", "own"):
        raise BadOption(f"{protocol} has no masks of what is ignored: leave out --ignore, which is for itc")
    challenge = find_challenge(protocol)
    try:
        return challenge.score(question)
    except BadAnswer as error:
        # Scoring stops at the first stage that fails, and knows masks by their data set alone.
        claim = Claim(
            question.answers, question.truth, question.ids, question.profile, question.classes, question.listed
        )
        faults = check_files(protocol, claim).faults
        raise (refuse(faults) if faults else error) from error


def check_files(protocol: str, claim: Claim) -> Inspection:
    """Find all that is wrong with an answer.

    Raises:
        BadOption: if there is no such protocol or profile.
        BadAnswer: if the truth or the list of images is not in order.
    """
    challenge = find_challenge(protocol)
    challenge.choose_profile(claim)
    found = challenge.check(claim)
    return replace(found, faults=in_order(found.faults))
