"""Whose money it is: the wallets that a key may own, and how settings and environment name one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polymarket._internal import wallet as official
from polymarket._internal.environment import PRODUCTION_CONFIG

from infra.doctor.golden import VECTORS
from infra.settings import SettingsRefused, read_account
from infra.venues.secrets import identity_from
from infra.venues.signing import SignatureType
from infra.wallets import deposit_wallet_of, proxy_wallet_of, safe_of

KEY = "11" * 32
OWNER = VECTORS["address"]


@given(st.binary(min_size=20, max_size=20))
def test_every_kind_of_wallet_lies_where_the_venues_own_client_looks_for_it(raw: bytes) -> None:
    owner, factories = "0x" + raw.hex(), PRODUCTION_CONFIG.wallet_derivation
    assert proxy_wallet_of(owner) == official.derive_proxy_wallet_address(owner, factories)
    assert safe_of(owner) == official.derive_safe_wallet_address(owner, factories)
    assert deposit_wallet_of(owner) == official.derive_beacon_deposit_wallet_address(owner, factories)


def settings(folder: Path, text: str) -> Path:
    file = folder / "my.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("kind", "wallet"), [(1, proxy_wallet_of(OWNER)), (2, safe_of(OWNER)), (3, deposit_wallet_of(OWNER)), (0, OWNER)]
)
def test_a_settings_file_names_the_wallet_and_its_type(kind: int, wallet: str, tmp_path: Path) -> None:
    named = read_account(settings(tmp_path, f'[account]\nwallet = "{wallet}"\nwallet_type = {kind}\n'))
    identity = identity_from(named | {"UPDOWN_PRIVATE_KEY": KEY})
    assert (identity.wallet, identity.signature_type) == (wallet, SignatureType(kind))
    signer = identity.signer()
    assert (signer.wallet, int(signer.signature_type)) == (wallet, kind)
    assert signer.order_signer == (wallet if kind == 3 else OWNER), "a proxy or a safe does not speak for itself"


def test_the_environment_goes_before_the_file_and_no_file_names_nothing(tmp_path: Path) -> None:
    named = read_account(settings(tmp_path, f'[account]\nwallet = "{safe_of(OWNER)}"\nwallet_type = 2\n'))
    over = {"UPDOWN_PRIVATE_KEY": KEY, "UPDOWN_WALLET": proxy_wallet_of(OWNER), "UPDOWN_WALLET_TYPE": "1"}
    assert identity_from(named | over).signature_type is SignatureType.PROXY
    assert read_account(None) == {} == read_account(settings(tmp_path, "[params]\n"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('wallet = "0x12"', "wallet is no address: it must be 0x and 40 hex digits"),
        ("wallet = 12", "wallet is no address"),
        ("wallet_type = 4", "wallet_type = 4 is no kind of wallet; 0 is the key's own account, 1 a proxy"),
        ("wallet_type = true", "wallet_type = True is no kind of wallet"),
        ('key = "11"', r"no 'key' under \[account\]; there are wallet and wallet_type"),
    ],
)
def test_what_names_no_wallet_is_refused_in_one_line(text: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=line) as caught:
        read_account(settings(tmp_path, f"[account]\n{text}\n"))
    assert "\n" not in str(caught.value)
