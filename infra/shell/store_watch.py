"""Store watch: says in the journal and to people when the shared fast state is away, and when it is back."""

from typing import Final

from infra.fast_state.port import FastState, Standing
from infra.shell.face import Face
from infra.shell.shell import Shell
from state.units import NS_PER_MS

LOOK_NS: Final = 250 * NS_PER_MS


def store_watch(store: FastState | None, shell: Shell, face: Face) -> "StoreWatch | None":
    """Give the watch of a session's shared store; None where its fast state is its own."""
    return StoreWatch(store, shell, face) if store is not None else None


class StoreWatch:
    """Looks at a store's standing; the session goes on whatever it finds."""

    def __init__(self, store: FastState, shell: Shell, face: Face) -> None:
        self._store, self._shell, self._face = store, shell, face
        self._seen = Standing()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await self._shell.clock.sleep(LOOK_NS)

    def look(self) -> None:
        """Look once, and say what has changed."""
        before, self._seen = self._seen, self._store.standing()
        if bool(before.degraded) == bool(self._seen.degraded):
            return
        note = {"fast_state": "degraded" if self._seen.degraded else "well", "why": self._seen.degraded}
        self._shell.session.note(note, self._shell.clock.now_ns())
        if self._seen.degraded:
            words = f"the shared fast state is away ({self._seen.degraded}); orders go on at our share of the rate"
        else:
            words = "the shared fast state is back"
        self._face.tell(words)
