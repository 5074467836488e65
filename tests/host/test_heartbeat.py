"""Workers that tell that they live."""

import threading

import pytest

from overtrace.errors import Unavailable
from overtrace.host.heartbeat import keep_beating

LONG_S = 10.0


def test_it_beats_until_the_end_of_the_block_and_no_longer():
    beats, three = [], threading.Event()

    def beat():
        beats.append(1)
        if len(beats) == 3:
            three.set()
        return True

    with keep_beating(beat, lambda: 0.001) as lost:
        assert three.wait(LONG_S)
    count = len(beats)
    assert not lost.wait(0.02)
    assert len(beats) == count


def test_a_beat_that_fails_is_tried_again_and_one_that_comes_too_late_is_told():
    answers = iter([Unavailable("no host"), True, False])

    def beat():
        answer = next(answers)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    with keep_beating(beat, lambda: 0.001) as lost:
        assert lost.wait(LONG_S)
    with pytest.raises(StopIteration):
        next(answers)


def test_work_that_breaks_ends_the_beats():
    with pytest.raises(ValueError, match="broke"), keep_beating(lambda: True, lambda: 0.001):
        raise ValueError("broke")
    assert not [thread for thread in threading.enumerate() if "keep" in thread.name]
