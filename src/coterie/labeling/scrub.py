"""Messages of providers, made fit to be kept and shown."""

import re

from coterie.labeling.prompts import clean

MAX_MESSAGE = 200
HIDDEN = "[hidden]"
_KEYS = re.compile(
    r"(?:\b(?:sk|pk|rk|gsk|xai|key|org|proj|sess)[-_]|\bAIza|\bya29\.|\beyJ)[\w*.…-]{4,}|\bBearer\s+\S+", re.I
)


def scrubbed(message: str, secrets: tuple[str, ...]) -> str:
    """A message in one short line, without the `secrets` and whatever else looks like a key, whole or in part."""
    for secret in secrets:
        if len(secret) >= 6:
            message = message.replace(secret, HIDDEN)
    return clean(_KEYS.sub(HIDDEN, message[:4_000]), MAX_MESSAGE)
