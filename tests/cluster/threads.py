"""Threads that do something again and again, beside a test."""

import threading
from collections.abc import Callable, Iterable


class Threads:
    """One for each number, until `end`; `act` looks at `stopped`, also where it pauses."""

    def __init__(self, act: Callable[[int], None], numbers: Iterable[int]) -> None:
        self.stopped = threading.Event()
        self._threads = [threading.Thread(target=act, args=(number,)) for number in numbers]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """When this returns, none of them runs."""
        self.stopped.set()
        for thread in self._threads:
            thread.join()
