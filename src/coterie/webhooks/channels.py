"""A webhook's channels: checked, kept whole with their secrets, shown without.

A channel keeps its number for as long as it is there: waiting deliveries find it by that. In an update it is known by
its number or, without one, by where it leads to. A secret that comes back masked stays what it was, but only for the
place that it was given for: else a change of the URL would carry it to another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from coterie.config import Settings
from coterie.kit.addresses import is_inner_url
from coterie.kit.errors import BadRequest, Invalid, Issue, invalid
from coterie.webhooks.schemas import EmailConfig, NotificationChannel, SlackConfig, WebhookChannel, WebhookConfig
from coterie.webhooks.secrecy import MASK, is_masked, mask_url

Channel = dict[str, Any]
"""`number`, `channel` and `configs`."""

Loc = tuple[str | int, ...]
_KINDS: dict[NotificationChannel, type[BaseModel]] = {
    NotificationChannel.EMAIL: EmailConfig,
    NotificationChannel.SLACK: SlackConfig,
    NotificationChannel.WEBHOOK: WebhookConfig,
}
_DESTINATION = {"email": "to_addresses", "slack": "webhook_url", "webhook": "url"}


def keep_channels(
    given: Sequence[WebhookChannel], earlier: Sequence[Channel], settings: Settings, numbers: int = 0
) -> tuple[list[Channel], int]:
    """A request's channels as they are kept, and how many numbers are given by now. Raises BadRequest, Invalid."""
    left = list(earlier)
    kept = []
    for place, each in enumerate(given):
        loc: Loc = ("body", "channels", place)
        configs = _parse(each, (*loc, "configs"))
        before = _find(each, configs, left)
        if before is not None:
            left.remove(before)
            number = before["number"]
        elif each.number is not None:
            raise invalid((*loc, "number"), f"the webhook has no {each.channel} channel of this number; leave it out")
        else:
            number, numbers = numbers, numbers + 1
        _unmask(configs, before, (*loc, "configs"))
        _check_allowed(each.channel, configs, settings)
        kept.append({"number": number, "channel": str(each.channel), "configs": configs})
    return kept, numbers


def show_channel(channel: Channel) -> Channel:
    """A channel with its secrets masked."""
    configs = dict(channel["configs"])
    if channel["channel"] == NotificationChannel.SLACK:
        configs["webhook_url"] = mask_url(configs["webhook_url"])
    elif channel["channel"] == NotificationChannel.WEBHOOK:
        configs["headers"] = dict.fromkeys(configs["headers"], MASK)
    return {**channel, "configs": configs}


def _parse(given: WebhookChannel, loc: Loc) -> dict[str, Any]:
    kind = _KINDS.get(given.channel)
    if kind is None:
        raise BadRequest("channel 'sms' is not served: Coterie sends no text messages; use email, slack or webhook")
    try:
        return kind.model_validate(given.configs).model_dump(mode="json")
    except ValidationError as error:
        raise Invalid([Issue((*loc, *e["loc"]), e["msg"], e["type"]) for e in error.errors()]) from error


def _find(given: WebhookChannel, configs: Mapping[str, Any], earlier: Sequence[Channel]) -> Channel | None:
    """The channel that a given one was before."""
    field = _DESTINATION[given.channel]
    for channel in earlier:
        if channel["channel"] == given.channel:
            places = (channel["configs"][field], show_channel(channel)["configs"][field])
            if given.number == channel["number"] or (given.number is None and configs[field] in places):
                return channel
    return None


def _unmask(configs: dict[str, Any], before: Channel | None, loc: Loc) -> None:
    """Put the secrets of before in the places of their masks. Raises Invalid."""
    known = {} if before is None else before["configs"]
    if is_masked(configs.get("webhook_url", "")):
        if before is None or mask_url(known["webhook_url"]) != configs["webhook_url"]:
            raise invalid((*loc, "webhook_url"), "this URL is masked: send the whole of it")
        configs["webhook_url"] = known["webhook_url"]
    for name, value in configs.get("headers", {}).items():
        if value == MASK:
            if known.get("url") != configs["url"] or name not in known["headers"]:
                raise invalid((*loc, "headers", name), "this value is masked: send it anew for another URL or header")
            configs["headers"][name] = known["headers"][name]


def _check_allowed(channel: NotificationChannel, configs: Mapping[str, Any], settings: Settings) -> None:
    if channel is NotificationChannel.EMAIL:
        if settings.smtp_url is None or settings.smtp_from is None:
            raise BadRequest("no email is sent here: the operator has to set COTERIE_SMTP_URL and COTERIE_SMTP_FROM")
    elif not settings.webhook_private_addresses and is_inner_url(configs[_DESTINATION[channel]]):
        raise BadRequest(
            "webhooks go to public addresses only, unless the operator sets COTERIE_WEBHOOK_PRIVATE_ADDRESSES"
        )
