"""The protocols by name. Each is imported when it is asked for: what the others need takes longer to load than a small
set to score.
"""

from importlib import import_module

from overtrace.challenges.challenge import Challenge, Question, Verdict
from overtrace.errors import BadOption

MODULES = {
    "itc": "itc",
    "sceneparsing": "sceneparsing",
    "camvid": "sceneparsing",
    "deepglobe": "deepglobe",
    "trees": "trees",
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
        BadAnswer: if truth or answer are not in order.
    """
    return find_challenge(protocol).score(question)
