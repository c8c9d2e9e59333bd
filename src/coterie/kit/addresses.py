"""Where requests may go: which URLs are well formed, and which addresses lie within the operator's own network."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

MAX_URL = 2048
_INNER = [
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64 of one's own
        "100::/64",  # discarded
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
]
"""Addresses that lead to others, or nowhere, and that not every version of Python calls private."""


def check_url(url: str) -> str:
    """The URL itself. Raises ValueError saying what is wrong with it."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError("a URL is http://… or https://…, with a host") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or not url.isprintable() or " " in url:
        raise ValueError("a URL is http://… or https://…, with a host")
    if parsed.userinfo:
        raise ValueError("a URL holds no user or password: send credentials as a header")
    if parsed.port == 0:
        raise ValueError("a URL's port is 1 to 65535")
    return url


def is_inner_url(url: str) -> bool:
    """Whether a URL names an inner address literally, in any of its spellings (`127.1`, `0x7f000001`), or this host."""
    host = httpx.URL(url).host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return is_inner(host)
    except ValueError:
        pass
    try:
        return is_inner(str(IPv4Address(socket.inet_aton(host))))
    except (OSError, UnicodeError):
        return False


def is_inner(address: str) -> bool:
    """Whether an address is anything but a public one: loopback, link-local, private, shared, reserved, multicast,
    unspecified, or of IPv6 with an IPv4 one in it. Raises ValueError for what is no address.
    """
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        return True
    if not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified:
        return True
    return any(found in network for network in _INNER if network.version == found.version)
