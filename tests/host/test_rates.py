"""Rates: so often, and no oftener."""

from functools import partial

import pytest

from overtrace.host.rates import Rates, find_network
from tests.support.people import AT, after
from tests.support.races import race


def test_a_burst_is_granted_and_then_one_at_a_time():
    rates = Rates(burst=3, every_s=10)
    assert [rates.take("a", AT) for _ in range(4)] == [0, 0, 0, 10]
    assert rates.take("a", after(seconds=4)) == pytest.approx(6)
    assert [rates.take("a", after(seconds=10)) for _ in range(2)] == [0, pytest.approx(10)]
    assert [rates.take("a", after(seconds=1000)) for _ in range(4)] == [0, 0, 0, 10]


@pytest.mark.parametrize("every_s", [0.1, 1 / 3, 7.7])
def test_over_a_long_time_the_rate_is_met(every_s):
    rates = Rates(burst=2, every_s=every_s)
    granted = sum(rates.take("a", after(seconds=step * every_s / 10)) == 0 for step in range(1001))
    assert granted == 2 + 100


def test_keys_do_not_share():
    rates = Rates(burst=1, every_s=10)
    assert [rates.take("a", AT), rates.take("b", AT)] == [0, 0]


def test_a_clock_that_goes_back_gives_nothing():
    rates = Rates(burst=1, every_s=10)
    rates.take("a", AT)
    assert rates.take("a", after(hours=-1)) > 0


def test_memory_is_bounded():
    rates = Rates(burst=1, every_s=3600, most_keys=100)
    for number in range(1000):
        rates.take(str(number), AT)
    assert len(rates) == 100
    assert rates.take("999", AT) > 0


def test_full_buckets_are_forgotten():
    rates = Rates(burst=1, every_s=10)
    for number in range(50):
        rates.take(str(number), AT)
    rates.take("last", after(seconds=11))
    assert len(rates) == 1


def test_many_at_once_are_granted_a_burst_together():
    rates = Rates(burst=5, every_s=3600)
    assert sorted(race(*[partial(rates.take, "a", AT)] * 16))[:6] == [0, 0, 0, 0, 0, 3600]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
    ],
)
def test_a_household_is_counted_as_one(address, network):
    assert find_network(address) == network
