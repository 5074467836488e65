"""What users bring themselves: any COCO, index PNG or vector data, scored by a rule that they name.

The rules are those of the other protocols, without what is peculiar to a contest. ``coco-masks`` and ``coco-boxes``: AP
over IoU 0.50 to 0.95, as COCO ranks, at 100 detections an image. ``pixels``: mean IoU over the classes 0 to N - 1; 255
is no class. ``polygons``: F1 at an IoU of 0.5. ``points``: F1 within 6 m.
"""

from collections.abc import Callable
from functools import partial

from overtrace.challenges.challenge import Challenge, Question, Verdict
from overtrace.challenges.inspection import Claim, Inspection
from overtrace.errors import BadOption

NO_CLASS = 255
COCO, PIXELS, POLYGONS, POINTS = ("coco-masks", "coco-boxes"), "pixels", "polygons", "points"


def judge(question: Question) -> Verdict:
    """Score the files of an answer by the rule that ``profile`` names."""
    return _find_rule(question)[0](question)


def check(claim: Claim) -> Inspection:
    """All that is wrong with the files of an answer."""
    return _find_rule(claim)[1](claim)


def _find_rule(asked: Question | Claim) -> tuple[Callable[[Question], Verdict], Callable[[Claim], Inspection]]:
    """How to score, and how to check; each imports what it needs."""
    if not asked.profile:
        raise BadOption(f"own needs a rule: --profile with one of {', '.join(OWN.profiles)}")
    name = OWN.choose_profile(asked)
    if asked.classes and name != PIXELS:
        raise BadOption(f"{name} takes its classes from the files: leave out --classes")
    if isinstance(asked, Question) and asked.ignore is not None and name != COCO[0]:
        raise BadOption(f"{name} has no masks of what is ignored: leave out --ignore")
    if name in COCO:
        from overtrace.challenges import itc, itc_check

        profile = itc.Profile(name, itc.DEFAULT.max_detections, boxes=name == COCO[1], number=itc.AP)
        return partial(itc.judge_profile, OWN.name, profile), partial(itc_check.check, boxes=profile.boxes)
    if name == PIXELS:
        return _find_pixel_rule(asked.classes)
    from overtrace.challenges import own_vectors

    if name == POLYGONS:
        return partial(own_vectors.judge_polygons, OWN), own_vectors.check_polygons
    return partial(own_vectors.judge_points, OWN), own_vectors.check_points


def _find_pixel_rule(classes: int) -> tuple[Callable[[Question], Verdict], Callable[[Claim], Inspection]]:
    from overtrace.challenges import sceneparsing

    if not 0 < classes < NO_CLASS:
        raise BadOption(f"found --classes {classes}: {PIXELS} needs the number of classes, from 1 to {NO_CLASS - 1}")
    labels = sceneparsing.Labels(OWN.name, classes, 0, NO_CLASS, by_mean_iou=True)
    return partial(sceneparsing.judge_labels, labels, PIXELS), partial(sceneparsing.check, labels)


OWN = Challenge("own", "docs/protocols.md", (*COCO, PIXELS, POLYGONS, POINTS), judge, check)
CHALLENGES = (OWN,)
