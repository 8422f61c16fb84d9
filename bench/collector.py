"""Garbage collection as in a server, for what is measured in the bench's own process."""

import contextlib
import gc
from collections.abc import Iterator

from gateway.serving import spare_the_collector


@contextlib.contextmanager
def collector_as_in_a_server() -> Iterator[None]:
    """Leave alone what was made until now, as a server does once it has started; afterwards as before."""
    thresholds = gc.get_threshold()
    spare_the_collector()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
