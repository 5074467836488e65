from datetime import UTC, datetime, timedelta

from overtrace.host.ids import new_id
from overtrace.host.table_base import EPOCH

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_they_sort_by_time_and_differ_within_it():
    made = [new_id(AT + timedelta(milliseconds=i)) for i in range(1000)]
    assert made == sorted(made)
    assert len({new_id(AT) for _ in range(1000)}) == 1000
    assert {len(one) for one in made} == {26}


def test_the_time_is_written_in_ten_letters():
    # 33 milliseconds are 1 x 32 + 1.
    assert new_id(EPOCH + timedelta(milliseconds=33))[:10] == "0000000011"
