from __future__ import annotations

import pytest

from core.addresses import UnsafeAddress, is_listed, is_loopback, require_safe


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "168.63.129.16",
        "100.100.100.200",
        "fe80::1",
        "[fe80::1%eth0]",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "0xa9fea9fe",
        "2852039166",
        "169.254.43518",
        "0251.0376.0251.0376",
    ],
)
def test_no_spelling_of_a_link_local_or_metadata_address_is_safe(address: str) -> None:
    with pytest.raises(UnsafeAddress, match="never asked"):
        require_safe(address, address)
    with pytest.raises(UnsafeAddress, match="never asked"):
        require_safe("issuer.example", address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "0"])
def test_what_is_no_single_host_is_not_safe(address: str) -> None:
    with pytest.raises(UnsafeAddress, match="not that of a host"):
        require_safe("issuer.example", address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "2130706433"])
def test_only_a_name_of_loopback_leads_to_loopback(address: str) -> None:
    with pytest.raises(UnsafeAddress, match="this machine itself"):
        require_safe("issuer.example", address)
    require_safe("localhost", address)


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.7.7", "fd12::7", "93.184.216.34", "2606:4700::1", "issuer.example"]
)
def test_private_and_public_addresses_are_safe(address: str) -> None:
    require_safe("issuer.example", address)


@pytest.mark.parametrize(
    ("host", "listed"),
    [
        ("login.example.com", True),
        ("LOGIN.example.COM", True),
        ("login.example.com.", True),
        ("a.id.example.org", True),
        ("a.b.id.example.org", True),
        ("id.example.org", False),
        ("evilid.example.org", False),
        ("login.example.com.evil.example", False),
        ("example.com", False),
    ],
)
def test_a_list_of_hosts_names_whole_hosts_or_all_below_one(host: str, listed: bool) -> None:
    assert is_listed(host, frozenset({"login.example.com", "*.id.example.org"})) is listed
    assert is_listed(host, None)
    assert not is_listed(host, frozenset())


def test_loopback_is_told_from_what_looks_like_it() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "[::1]", "localhost", "LOCALHOST")))
    assert not any(map(is_loopback, ("127.0.0.1.example", "localhost.example", "2130706433", "0.0.0.0")))
