"""A few at once, then one each so often. Pure: time is an argument. What a paired phone may ask for that costs the host much."""

from __future__ import annotations

from collections import deque


class Allowance:
    """Lets `most` through within any `window_ms`. Times are ms on a steady clock."""

    __slots__ = ("_most", "_taken_ms", "_window_ms")

    def __init__(self, *, most: int, window_ms: int) -> None:
        self._most = most
        self._window_ms = window_ms
        self._taken_ms: deque[int] = deque(maxlen=most)

    def left(self, *, now_ms: int) -> bool:
        """Tell whether one more is allowed."""
        return len(self._taken_ms) < self._most or now_ms - self._taken_ms[0] >= self._window_ms

    def take(self, *, now_ms: int) -> None:
        """Count one."""
        self._taken_ms.append(now_ms)


class SharedAllowance:
    """The same for many, of whom one may not have all. Holds no more than `most` names."""

    __slots__ = ("_most_of_one", "_taken", "_window_ms")

    def __init__(self, *, most: int, most_of_one: int, window_ms: int) -> None:
        self._most_of_one = most_of_one
        self._window_ms = window_ms
        self._taken: deque[tuple[int, str]] = deque(maxlen=most)  # oldest first

    def take(self, who: str, *, now_ms: int) -> bool:
        """Count one, if one more is allowed; tells whether it is."""
        while self._taken and now_ms - self._taken[0][0] >= self._window_ms:
            self._taken.popleft()
        if len(self._taken) == self._taken.maxlen or sum(who == other for _, other in self._taken) >= self._most_of_one:
            return False
        self._taken.append((now_ms, who))
        return True
