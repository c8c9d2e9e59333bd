"""Names that callers give: 1 to 255 characters of any script, without controls and without `/`."""

import unicodedata

MAX_NAME = 255


def check_name(value: str, what: str = "name") -> str:
    """The name itself. Raises ValueError saying what is wrong with it."""
    if not 1 <= len(value) <= MAX_NAME:
        raise ValueError(f"a {what} has 1 to {MAX_NAME} characters")
    for character in value:
        if character == "/" or unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(f"a {what} holds neither '/' nor control characters")
    return value
