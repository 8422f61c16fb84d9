"""What devices join calls with: from an Agora project, or from browser to browser."""

import base64
import zlib
from pathlib import Path
from typing import Any

import pytest

from auth.agora import Project, Role, Seat
from auth.turn import Relays, credentials
from gateway.calls.media import AgoraProvider, PeerProvider, Provider, provider_of
from sessions.call_records import Call, CallType, Terms
from tests.gateway.rehearsal import settings

APP_ID, CERTIFICATE = "970CA35de60c44645bbae8a215061b33", "5CFd2fd1755d40ecb72977518be15d3b"
NOW_MS = 1_795_185_000_250
CALL = Call("5f0f1f4e-6a30-4c40-9a51-000000000001", "acme", "cleo", "noa", CallType.VIDEO, Terms(), NOW_MS,
            NOW_MS + 45_000)  # fmt: skip


def agora(version: Any = "007") -> AgoraProvider:
    return AgoraProvider(Project(APP_ID, CERTIFICATE), version, salt=lambda count: count - 1)


def opened(token: str) -> bytes:
    """Return what is in a token of version 007."""
    assert token.startswith("007")
    return zlib.decompress(base64.b64decode(token[3:]))


def test_agora_opens_its_channel_until_the_lease_ends() -> None:
    media = agora().media(CALL, "noa", 7, NOW_MS + 90_000, NOW_MS)
    assert (media.provider, media.channel, media.uid, media.app_id) == ("agora", f"call_{CALL.id}", 7, APP_ID)
    assert media.expires_at == "2026-11-20T14:31:30.000Z"
    assert (media.ice_servers, media.polite) == (None, None)
    assert media.token is not None
    assert f"call_{CALL.id}".encode() in opened(media.token)
    # Whole seconds, and never later than the lease.
    assert (90).to_bytes(4, "little") in opened(media.token)


@pytest.mark.parametrize("version", ["006", "007"])
def test_each_version_by_its_own_builder(version: str) -> None:
    ticket = agora(version).ticket(Seat("test", 123, Role.AUDIENCE), NOW_MS + 300_000, NOW_MS)
    assert ticket.token.startswith(version)
    assert ticket.ends_at_ms == NOW_MS // 1000 * 1000 + 300_000


@pytest.mark.parametrize(("until_ms", "lifetime"), [(NOW_MS, 1), (NOW_MS + 10**9, 24 * 3600)])
def test_a_token_holds_for_a_second_at_least_and_a_day_at_most(until_ms: int, lifetime: int) -> None:
    ticket = agora().ticket(Seat("test", 1), until_ms, NOW_MS)
    assert ticket.ends_at_ms == (NOW_MS // 1000 + lifetime) * 1000


def test_browsers_need_no_token_and_one_of_them_gives_way() -> None:
    provider = PeerProvider(Relays(), 0)
    fan, creator = (provider.media(CALL, user, 7, NOW_MS + 90_000, NOW_MS) for user in ("noa", "cleo"))
    assert (fan.provider, fan.token, fan.ice_servers) == ("peer", None, [])
    assert (fan.polite, creator.polite) == (True, False)
    assert fan.expires_at == "2026-11-20T14:31:30.250Z"
    anyone: Provider = provider
    assert anyone.ticket(Seat("test", 1), NOW_MS, NOW_MS) is None


def test_passwords_for_relays_hold_as_long_as_a_call_may_last() -> None:
    relays = Relays(("stun:turn.example.com:3478", "turn:turn.example.com:3478"), "a secret of many bytes")
    servers = PeerProvider(relays, 3_600_000).media(CALL, "noa", 7, NOW_MS, NOW_MS).ice_servers
    assert servers is not None
    stun, turn = servers
    assert (stun.urls, stun.credential) == (["stun:turn.example.com:3478"], None)
    ends_at = NOW_MS // 1000 + 3600 + 1
    expected = credentials("a secret of many bytes", f"call_{CALL.id}", ends_at)
    assert (turn.username, turn.credential) == expected
    assert "noa" not in str(turn)


def test_the_settings_name_the_provider(tmp_path: Path) -> None:
    keys = {"agora_app_id": APP_ID, "agora_app_certificate": CERTIFICATE}
    assert provider_of(settings(data_dir=tmp_path)).name == "peer"
    assert provider_of(settings(data_dir=tmp_path, **keys)).name == "agora"
    assert provider_of(settings(data_dir=tmp_path, call_provider="peer", **keys)).name == "peer"
