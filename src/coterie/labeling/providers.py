"""Which language model labels are asked of: from the settings alone, never from a request."""

import re
from dataclasses import dataclass, field

from coterie.config import Settings
from coterie.labeling.options import Options

NO_PROVIDER = (
    "no language model is configured: the labels are keywords (COTERIE_OPENAI_API_KEY, COTERIE_OPENAI_BASE_URL or "
    "COTERIE_GOOGLE_API_KEY would name one, COTERIE_LABELING=keywords asks for none)"
)
NO_KEY = "none"
"""What is sent as a key to a server that asks for none."""


class NoProvider(Exception):
    """There is nobody to ask; the message says what would change that."""


@dataclass(frozen=True)
class Provider:
    """A server that speaks Chat Completions, and the model to ask of it. `base_url` None is the client's own."""

    name: str
    model: str
    base_url: str | None
    key: str = field(default=NO_KEY, repr=False)

    @property
    def identity(self) -> str:
        """By what answers of this model are told from those of others."""
        return f"{self.name} {self.base_url or ''} {self.model}"


def provider_of(settings: Settings, options: Options) -> Provider:
    """The provider asked for, or the one there is. Raises NoProvider."""
    known = {"openai": _openai(settings, options), "google": _google(settings, options)}
    if options.provider is None:
        found = known["openai"] or known["google"]
        if found is None:
            raise NoProvider(NO_PROVIDER)
        return _checked(found)
    named = known[options.provider]
    if named is None:
        raise NoProvider(f"'{options.provider}' is not configured, and {NO_PROVIDER}")
    return _checked(named)


def _checked(provider: Provider) -> Provider:
    if not re.fullmatch(r"[!-~]+", provider.key):
        raise NoProvider(
            f"the key of '{provider.name}' is none: it must be visible ASCII characters without spaces "
            f"(COTERIE_{provider.name.upper()}_API_KEY)"
        )
    return provider


def _openai(settings: Settings, options: Options) -> Provider | None:
    key, url = settings.openai_api_key, settings.openai_base_url
    if key is None and url is None:
        return None
    secret = NO_KEY if key is None else key.get_secret_value()
    return Provider("openai", options.model or settings.openai_model, url, secret)


def _google(settings: Settings, options: Options) -> Provider | None:
    if settings.google_api_key is None:
        return None
    model = options.model or settings.google_model
    return Provider("google", model, settings.google_base_url, settings.google_api_key.get_secret_value())
