"""Who is told of alerts, as the environment says it. Addresses hold secrets, so none is ever shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from infra.alerts.alert import Alert
from infra.settings import SettingsRefused
from infra.venues.credentials import Secret

WEBHOOK: Final = "UPDOWN_ALERT_WEBHOOK"
SLACK: Final = "UPDOWN_ALERT_SLACK"
TELEGRAM_TOKEN: Final = "UPDOWN_ALERT_TELEGRAM_TOKEN"
TELEGRAM_CHAT: Final = "UPDOWN_ALERT_TELEGRAM_CHAT"
TELEGRAM_URL: Final = "UPDOWN_ALERT_TELEGRAM_URL"
TELEGRAM: Final = "https://api.telegram.org"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Kind(StrEnum):
    """How a receiver wants it."""

    WEBHOOK = "webhook"
    """One JSON object an alert."""
    SLACK = "slack"
    TELEGRAM = "telegram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One who is told."""

    kind: Kind
    address: Secret = field(repr=False)
    chat: str = ""

    def body(self, alert: Alert) -> dict[str, Any]:
        """Give an alert as this receiver wants it; words of others are text here and never markup."""
        if self.kind is Kind.WEBHOOK:
            return {"text": alert.line, **alert.plain}
        if self.kind is Kind.SLACK:
            # Slack reads <...> and & as its own; its documentation asks for these three to be written so.
            text = alert.line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            return {"text": text, "mrkdwn": False}
        return {"chat_id": self.chat, "text": alert.line, "disable_web_page_preview": True}


def receivers_from(environment: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Read who is told; nobody where nothing is said.

    Raises:
        SettingsRefused: a variable says what cannot be; the line never repeats it.
    """
    said = {name: environment.get(name, "").strip() for name in (WEBHOOK, SLACK, TELEGRAM_TOKEN, TELEGRAM_CHAT)}
    found = [
        Receiver(kind=kind, address=Secret(_address(name, said[name])))
        for name, kind in ((WEBHOOK, Kind.WEBHOOK), (SLACK, Kind.SLACK))
        if said[name]
    ]
    if bool(said[TELEGRAM_TOKEN]) != bool(said[TELEGRAM_CHAT]):
        raise SettingsRefused(f"{TELEGRAM_TOKEN} and {TELEGRAM_CHAT} go together: set both or none")
    if said[TELEGRAM_TOKEN]:
        at = _address(TELEGRAM_URL, environment.get(TELEGRAM_URL, "").strip() or TELEGRAM).rstrip("/")
        address = Secret(f"{at}/bot{said[TELEGRAM_TOKEN]}/sendMessage")
        found.append(Receiver(kind=Kind.TELEGRAM, address=address, chat=said[TELEGRAM_CHAT]))
    return tuple(found)


def _address(name: str, text: str) -> str:
    """Hold an address to what may carry a secret: an encrypted line, or none but this machine's."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        host = ""
        parts = urlsplit("")
    if not host or parts.scheme not in ("https", "http") or (parts.scheme == "http" and host not in _LOOPBACK):
        raise SettingsRefused(f"{name} is no address to send to: it must begin with https://")
    return text
