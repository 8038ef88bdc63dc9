"""Names that are counted, in whatever thread, whatever interrupts."""

from __future__ import annotations

import sys
import threading
from typing import Any

from ebb.keras import _naming


def test_each_name_once_from_many_threads() -> None:
    found: list[str] = []

    def work() -> None:
        found.extend(_naming.unique("of_threads") for _ in range(500))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2000


def test_an_interrupt_leaves_no_lock_behind() -> None:
    """Raised at each line in turn; the next name comes all the same."""
    for stop in range(1, 12):
        seen = 0

        def trace(frame: Any, event: str, argument: Any, stop: int = stop) -> Any:
            nonlocal seen
            if not frame.f_code.co_filename.endswith("_naming.py"):
                return None
            seen += 1
            if seen == stop:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            _naming.auto_name("Interrupted")
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        done: list[str] = []
        thread = threading.Thread(
            target=lambda done=done: done.append(_naming.unique("after")), daemon=True
        )
        thread.start()
        thread.join(10)
        assert done, stop
