"""What sessions of all venues have in common: numbers of messages."""

import pytest

from imbalance.captures.events import Rejected
from imbalance.captures.venues.feed import Feed


def test_holes_in_the_numbers_of_a_connection():
    feed = Feed()
    assert [feed.hole("a", number) for number in (0, 1, 4, 4, 2, 5)] == [0, 0, 2, None, None, 0]
    assert feed.hole("b", 9) == 0
    assert feed.hole("a", 7, "channel") == 0
    feed.reset("a")
    assert [feed.hole("a", 3), feed.hole("a", 1, "channel"), feed.hole("b", 11)] == [0, 0, 1]


@pytest.mark.parametrize("number", [-1, 2**63])
def test_a_number_without_room_is_refused_and_changes_nothing(number):
    feed = Feed()
    feed.hole("a", 5)
    with pytest.raises(Rejected, match="number_out_of_range"):
        feed.hole("a", number)
    assert feed.hole("a", 2**63 - 1) == 2**63 - 7


def test_where_numbers_have_got_to_is_kept():
    feed, later = Feed(), Feed()
    feed.hole("a", 5)
    later.restore(feed.state())
    assert [later.hole("a", 7), later.hole("b", 7)] == [1, 0]
