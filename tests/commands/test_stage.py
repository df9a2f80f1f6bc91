"""Calls in another thread."""

import threading
from contextvars import ContextVar

import pytest

from infer_p3m_portrait_matting.commands.stage import Stage

WHOSE: ContextVar[str] = ContextVar("whose", default="nobody's")


def test_results_come_in_the_order_of_the_calls_from_one_other_thread():
    with Stage() as stage:
        for number in range(50):
            stage.begin(lambda number: (number, threading.get_ident()), number)
        assert len(stage) == 50
        results = [stage.take() for _ in range(50)]
    assert [number for number, _ in results] == list(range(50))
    threads = {thread for _, thread in results}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_comes_with_its_call_and_later_calls_are_made_all_the_same():
    with Stage() as stage:
        for divisor in (1, 0, 2):
            stage.begin(lambda divisor: 6 // divisor, divisor)
        assert stage.take() == 6
        with pytest.raises(ZeroDivisionError):
            stage.take()
        assert stage.take() == 3


def test_leaving_waits_for_the_call_that_has_begun_and_drops_the_others():
    made, begun, go_on = [], threading.Event(), threading.Event()

    def slow():
        begun.set()
        go_on.wait(60)
        made.append("slow")

    def stopped():
        with Stage() as stage:
            stage.begin(slow)
            stage.begin(made.append, "dropped")
            begun.wait(60)
            threading.Timer(0.2, go_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert made == ["slow"]


def test_a_call_sees_the_context_of_who_handed_it_in():
    WHOSE.set("the caller's")
    with Stage() as stage:
        stage.begin(WHOSE.get)
        assert stage.take() == "the caller's"


def test_the_thread_runs_before_it_has_work_and_ends_with_the_block():
    """A thread whose start was interrupted by Ctrl-C would work on while the files are closed."""
    before = threading.active_count()
    with Stage():
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
