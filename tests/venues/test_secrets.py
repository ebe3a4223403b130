"""Whose key signs: found in the environment, the keyring or elsewhere; never shown; and which wallet goes with it."""

import json
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.doctor.golden import VECTORS
from infra.venues.credentials import KeyMissing, Secret
from infra.venues.secrets import Identity, identity_from
from infra.venues.signing import LocalKey, SignatureType, Signer, SignerFailed, Terms
from infra.wallets import deposit_wallet_of
from state.events import Side

KEY = "11" * 32
ADDRESS = VECTORS["address"]
WALLET = deposit_wallet_of(ADDRESS)
TERMS = Terms(7, "44741327666176290628858521617239981319757804879854128231161651650323492899", Side.BUY, 52, 100, 1)


def test_a_key_alone_trades_by_its_own_deposit_wallet() -> None:
    """The only kind of wallet that new accounts may use is what nobody has to name."""
    identity = identity_from({"UPDOWN_PRIVATE_KEY": KEY})
    assert (identity.address, identity.wallet) == (ADDRESS, WALLET)
    assert identity.signature_type is SignatureType.DEPOSIT_WALLET
    signer = identity.signer()
    assert (signer.wallet, signer.order_signer) == (WALLET, WALLET)


def test_the_keys_own_account_trades_only_when_it_is_said() -> None:
    for more in ({"UPDOWN_WALLET_TYPE": "0"}, {"UPDOWN_WALLET": ADDRESS.lower()}):
        identity = identity_from({"UPDOWN_PRIVATE_KEY": KEY} | more)
        assert (identity.wallet, identity.signature_type) == (ADDRESS, SignatureType.EOA)


def test_older_wallets_must_be_named_and_typed() -> None:
    wallet = "0x" + "33" * 20
    for kind in (1, 2):
        told = {"UPDOWN_PRIVATE_KEY": KEY, "UPDOWN_WALLET_TYPE": str(kind)}
        assert int(identity_from(told | {"UPDOWN_WALLET": wallet}).signature_type) == kind
        with pytest.raises(KeyMissing, match="needs the wallet's address: set UPDOWN_WALLET"):
            identity_from(told)
        with pytest.raises(KeyMissing, match="is the key's own account"):
            identity_from(told | {"UPDOWN_WALLET": ADDRESS})


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({}, "no key to sign with: set UPDOWN_PRIVATE_KEY"),
        ({"UPDOWN_PRIVATE_KEY": "ab" * 31}, "UPDOWN_PRIVATE_KEY is no key"),
        ({"UPDOWN_PRIVATE_KEY": KEY, "UPDOWN_WALLET": "0x12"}, "UPDOWN_WALLET is no address"),
        ({"UPDOWN_PRIVATE_KEY": KEY, "UPDOWN_WALLET_TYPE": "7"}, "no kind of wallet; there are 0 eoa, 1 proxy"),
        (
            {"UPDOWN_PRIVATE_KEY": KEY, "UPDOWN_WALLET_TYPE": "0", "UPDOWN_WALLET": WALLET},
            "spends the key's own account .* names another",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_repeats_no_key(told: dict[str, str], line: str) -> None:
    with pytest.raises(KeyMissing, match=line) as caught:
        identity_from(told)
    assert "\n" not in str(caught.value)
    for secret in (KEY, "ab" * 31):
        assert secret not in "".join(traceback.format_exception(caught.value))


@given(st.binary(min_size=32, max_size=32).filter(lambda raw: 0 < int.from_bytes(raw, "big") < 1 << 255))
def test_a_key_is_in_no_representation_of_what_holds_it(raw: bytes) -> None:
    identity = identity_from({"UPDOWN_PRIVATE_KEY": raw.hex()})
    shown = f"{identity!r} {identity.holder!r} {identity.signer()!r} {identity}"
    assert raw.hex() not in shown.lower()


class _Vault(BaseHTTPRequestHandler):
    """A signer of its own, as a test's stand-in for an enclave: the same two calls, a key that never leaves."""

    def do_GET(self) -> None:
        self._say({"address": ADDRESS})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        signature = LocalKey(Secret(KEY)).sign(bytes.fromhex(asked["digest"][2:]))
        self._say({"signature": "0x" + signature.hex()})

    def _say(self, told: dict[str, str]) -> None:
        known = self.headers["Authorization"] == "Bearer open sesame"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps(told if known else {"error": "who are you"}).encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def a_vault(kind: type[_Vault] = _Vault) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _remote(base: str, token: str = "open sesame") -> Identity:
    return identity_from({"UPDOWN_SIGNER": base, "UPDOWN_SIGNER_TOKEN": token})


def test_a_key_held_elsewhere_signs_the_same_bytes() -> None:
    with a_vault() as base:
        identity = _remote(base)
        assert identity.address == ADDRESS and identity.source == "a remote signer"
        remote, local = identity.signer(), Signer(Secret(KEY), WALLET)
        assert remote.sign(TERMS) == local.sign(TERMS)
        assert remote.attestation(1_790_000_000) == local.attestation(1_790_000_000)


def test_a_signer_elsewhere_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(SignerFailed, match="over this machine's loopback only"):
        _remote("http://signer.example")
    with a_vault() as base:
        with pytest.raises(SignerFailed, match="answers 401; check UPDOWN_SIGNER_TOKEN"):
            _remote(base, token="guess")
        identity = _remote(base)
    with pytest.raises(SignerFailed, match="does not answer"):
        identity.signer().sign(TERMS)


def test_a_signer_that_sends_us_elsewhere_is_refused_and_our_token_goes_nowhere() -> None:
    heard: list[str] = []

    class Elsewhere(_Vault):
        def do_GET(self) -> None:
            heard.append(self.path)
            super().do_GET()

    class Astray(_Vault):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", f"{elsewhere}/address")
            self.end_headers()

    with a_vault(Elsewhere) as elsewhere, a_vault(Astray) as base:
        with pytest.raises(SignerFailed, match="answers 307"):
            _remote(base)
        assert not heard


@pytest.mark.parametrize("wallet", ["", WALLET], ids=["own account", "deposit wallet"])
def test_an_orders_id_is_known_without_a_signature(wallet: str) -> None:
    signer = Signer(Secret(KEY), wallet)
    assert signer.hash_of(TERMS) == signer.sign(TERMS).order_hash
