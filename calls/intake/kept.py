"""A memory of what a function made of the values it met: the cells of a file repeat."""

from collections.abc import Callable
from typing import Any


class Kept(dict[Any, Any]):
    """`kept[value]` asks `function` once; it forgets everything when it holds `most`, so memory stays flat."""

    def __init__(self, function: Callable[[Any], Any], most: int) -> None:
        super().__init__()
        self.function, self.most = function, most

    def __missing__(self, value: Any) -> Any:
        if len(self) >= self.most:
            self.clear()
        found = self[value] = self.function(value)
        return found
