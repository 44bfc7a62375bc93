import threading

import pytest

from imbalance.beside import Beside


def test_work_is_done_in_turn_and_all_of_it_before_the_end_of_waiting():
    beside, done = Beside("test", 2), []
    for k in range(100):
        beside.do(done.append, k)
    beside.finish()
    assert done == list(range(100))
    beside.end()


def test_who_gives_more_than_may_wait_waits_himself():
    beside, go, begun = Beside("test", 1), threading.Event(), []

    def work(k):
        begun.append(k)
        go.wait()

    giver = threading.Thread(target=lambda: [beside.do(work, k) for k in range(3)])
    giver.start()
    giver.join(0.2)
    assert giver.is_alive()
    assert begun == [0]
    go.set()
    giver.join()
    beside.finish()
    assert begun == [0, 1, 2]
    beside.end()


def test_the_first_error_is_raised_and_what_is_not_begun_at_the_end_is_left_undone():
    beside, go, done = Beside("test", 9), threading.Event(), []
    beside.do(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        beside.finish()
    beside.do(go.wait)
    beside.do(done.append, 1)
    threading.Timer(0.1, go.set).start()
    beside.end()
    assert done == []
