"""Topics within one process: of one server there is nobody to tell, of several in a test there are."""

from collections import defaultdict

from gateway.stores.topics import Heard, Missed


class MemoryBus:
    """What those who are made with the same one hear of each other."""

    def __init__(self) -> None:
        self.listeners: dict[str, list[MemoryTopics]] = defaultdict(list)


class MemoryTopics:
    """Topics of one listener on a bus. `up` says that nobody is unheard: not so where there are, or may be,
    other processes that this one does not hear (not `alone`)."""

    def __init__(self, bus: MemoryBus | None = None, *, alone: bool = True) -> None:
        self._bus = bus or MemoryBus()
        self._heard: Heard = lambda topic, said: None
        self._missed: Missed = lambda topic: None
        self.up = alone

    def listen(self, heard: Heard, missed: Missed) -> None:
        """Say who hears."""
        self._heard, self._missed = heard, missed

    def publish(self, topic: str, said: bytes) -> None:
        """Have everybody else on the bus hear it at once."""
        for listener in list(self._bus.listeners.get(topic, ())):
            if listener is not self and listener.up:
                listener._heard(topic, said)

    def subscribe(self, topic: str) -> None:
        """Hear a topic."""
        if self not in self._bus.listeners[topic]:
            self._bus.listeners[topic].append(self)
            self._missed(topic)

    def unsubscribe(self, topic: str) -> None:
        """Hear it no more."""
        listeners = self._bus.listeners.get(topic, [])
        if self in listeners:
            listeners.remove(self)
        if not listeners:
            self._bus.listeners.pop(topic, None)
