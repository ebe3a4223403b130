"""Scrubbing: secrets, accounts and order ids out of whatever is traced, whatever they are called and wherever they lie.

Two rules, and either is enough: a key whose name says what it holds loses its value, and a text that has the shape of
an address, a hash, a signature, an owner's id or a token is replaced where it stands. What the environment says is a
secret is replaced as it is, too. A decision has none of these; prompts, answers and receipts may have.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

HIDDEN: Final = "[scrubbed]"
SHORTEST_SECRET: Final = 6
"""A shorter value of the environment is no secret, and replacing it would tear words apart."""

NAMES: Final = re.compile(
    r"secret|passphrase|password|private|mnemonic|signature|credential|authorization|bearer|cookie"
    r"|(?<![a-z])(?:api|access|signing|wallet|builder|master)[_-]?key|_key$|_token$|^token$|(?<![a-z])auth"
    r"|owner|funder|wallet|(?<![a-z])(?:account|maker|taker|signer|proxy|safe)(?:[_-]?(?:id|address|name))?$"
    r"|address|order[_-]?(?:hash|uid)|(?<![a-z])salt$|transaction[_-]?hash|tx[_-]?hash",
    re.IGNORECASE,
)
SHAPES: Final = (
    re.compile(r"0[xX][0-9a-fA-F]{40,}"),  # addresses, hashes, signatures
    re.compile(r"[0-9a-fA-F]{64,}"),  # keys and hashes without their 0x
    re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),  # owner ids
    re.compile(r"(?<![A-Za-z])(?:sk|pk|lsv2|lsv1|rk|ghp|gho|xox[abp])[-_][A-Za-z0-9_\-]{10,}"),  # keys of hosts
    re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-.]{8,}"),  # JSON web tokens
    re.compile(r"\b[Bb]earer\s+\S+"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),  # a name and password in an address
)
ANY_SHAPE: Final = re.compile("|".join(f"(?:{shape.pattern})" for shape in SHAPES))
"""Finds whatever one of them finds: nearly every text is done with by one look."""
REMEMBERED: Final = 8_192
"""Names of keys, and words of reasons: the same few come with every decision."""
OUTCOMES: Final = frozenset({"UP", "DOWN"})
"""Tokens of a window are called that; any other token is taken for one that opens a door."""


@dataclass(frozen=True, slots=True)
class Scrubber:
    """Takes secrets out; knows those of this environment by heart."""

    known: tuple[str, ...] = ()
    """Values to be replaced wherever they stand; the longest first."""

    def __repr__(self) -> str:
        """Say how many it knows, never which."""
        return f"Scrubber({len(self.known)} known)"

    def text(self, said: str) -> str:
        """Give a text without what must not be told."""
        for secret in self.known:
            said = said.replace(secret, HIDDEN)
        if ANY_SHAPE.search(said) is None:
            return said
        for shape in SHAPES:
            said = shape.sub(HIDDEN, said)
        return said

    def value(self, told: Any) -> Any:
        """Give a JSON value without what must not be told; its shape stays."""
        if isinstance(told, Mapping):
            return {self.text(str(key)): self._named(str(key), each) for key, each in told.items()}
        if isinstance(told, list | tuple):
            return [self.value(each) for each in told]
        return self.text(told) if isinstance(told, str) else told

    def _named(self, key: str, told: Any) -> Any:
        if told is None or isinstance(told, bool):
            return told
        if is_telling(key) and not (isinstance(told, str) and told.upper() in OUTCOMES):
            return HIDDEN
        return self.value(told)


@lru_cache(REMEMBERED)
def is_telling(key: str) -> bool:
    """Say whether a key's name says that its value must not be told."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return NAMES.search(spaced) is not None


def scrubber_of(environment: Mapping[str, str], secrets: Iterable[str] = ()) -> Scrubber:
    """Make a scrubber that knows the secrets of an environment."""
    found = {value.strip() for name, value in environment.items() if is_telling(name)} | set(secrets)
    found |= {value.removeprefix("0x") for value in found}
    return Scrubber(tuple(sorted((each for each in found if len(each) >= SHORTEST_SECRET), key=len, reverse=True)))
