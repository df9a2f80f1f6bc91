"""Run the stages of a work side by side: each in a thread of its own, with few items between them."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any


class Stage:
    """A thread that makes calls one after the other, in the order in which they were handed in.

    Leaving its ``with`` block drops the calls that have not begun, and waits for the one that has.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._calls: deque[Future] = deque()

    def __enter__(self) -> "Stage":
        # Start the thread before it has work: nobody would wait for one whose start Ctrl-C has interrupted.
        self._thread.submit(bool).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def __len__(self) -> int:
        """Count the calls whose results were not taken."""
        return len(self._calls)

    def begin(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Hand in a call; it sees the context variables of the caller."""
        self._calls.append(self._thread.submit(copy_context().run, function, *arguments))

    def take(self) -> Any:
        """Return the result of the oldest call, or raise its error; wait for it if need be."""
        return self._calls.popleft().result()
