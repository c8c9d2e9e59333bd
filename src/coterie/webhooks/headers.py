"""Headers that a webhook's owner may add to what is sent."""

import re

from coterie.webhooks.secrecy import MASK

MAX_HEADERS = 20
OURS = re.compile(
    r"host|content-(type|length|encoding)|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|"
    r"accept-encoding|user-agent|proxy-.*|coterie-.*",
    re.IGNORECASE,
)
"""Headers that are the service's own to set, or the connection's."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,1022}[\x21-\x7e])?")


def check_headers(headers: dict[str, str]) -> dict[str, str]:
    """The headers themselves. Raises ValueError naming the one that cannot be sent."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError("a header's name has 1 to 100 letters, digits or '-'")
        if OURS.fullmatch(name):
            raise ValueError(f"the header '{name}' is set by the service")
        if value != MASK and not _VALUE.fullmatch(value):
            raise ValueError(f"the header '{name}' has 1 to 1024 printable ASCII characters, no space at either end")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header is given twice")
    return headers
