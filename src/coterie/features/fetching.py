"""Where a document's image is: in its payload as a data URI, or at a URL of a host that the operator allows."""

import base64
import binascii
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import httpx

from coterie.kit.addresses import MAX_URL, check_url
from coterie.kit.transport import Transport, Unreachable

SECONDS = 10
MAX_BYTES = 16 * 1024 * 1024
_DATA = re.compile(r"data:image/[\w.+\-]{1,64}(?:;[\w.+\-]+=[^;,]*)*;base64,", re.ASCII | re.IGNORECASE)


class BadImage(ValueError):
    """An image that cannot be had; the message says why, and is shown beside its document."""


class ImageSource:
    """Gets images; safe to share between threads."""

    def __init__(self, hosts: Sequence[str] = (), private_addresses: bool = False) -> None:
        """`hosts` may be fetched from, at public addresses only unless `private_addresses`."""
        self._hosts = frozenset(host.lower() for host in hosts)
        self._private_addresses = private_addresses

    def load(self, given: str) -> bytes:
        """The content of an image file. Raises BadImage."""
        if given[:5].lower() == "data:":
            return _of_data(given)
        if given[:7].lower() == "http://" or given[:8].lower() == "https://":
            return self._fetch(given)
        raise BadImage("an image is given as a data URI (data:image/png;base64,…) or by its URL (https://…)")

    def _fetch(self, url: str) -> bytes:
        try:
            host = httpx.URL(check_url(url)).host.lower()
        except ValueError as error:
            raise BadImage(str(error)) from error
        if len(url) > MAX_URL:
            raise BadImage(f"a URL has at most {MAX_URL} characters")
        if host not in self._hosts:
            raise BadImage(
                f"images are not fetched from '{host[:255]}': COTERIE_IMAGE_HOSTS names the hosts that may be"
            )
        try:
            return self._transport.get(url, SECONDS, MAX_BYTES)
        except Unreachable as error:
            raise BadImage(f"the image could not be fetched: {error}") from error

    @cached_property
    def _transport(self) -> Transport:
        return Transport(self._private_addresses)


def hosts_of(setting: str) -> list[str]:
    """The hosts in a setting, parted by commas."""
    return [host.strip() for host in setting.split(",") if host.strip()]


def _of_data(given: str) -> bytes:
    head = _DATA.match(given)
    if head is None:
        raise BadImage("a data URI of an image begins with data:image/…;base64,")
    try:
        return base64.b64decode(given[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImage("the data URI's base64 is broken") from error


def source_of(policy: dict[str, Any]) -> ImageSource:
    """The source that a job's arguments describe."""
    return ImageSource(policy["hosts"], policy["private_addresses"])
