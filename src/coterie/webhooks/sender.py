"""The worker's side of webhooks: a thread that looks for due deliveries, and a few that send them."""

import logging
import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import orjson

from coterie import __version__
from coterie.api.context import Services
from coterie.kit.clock import iso
from coterie.kit.transport import Transport, Unreachable
from coterie.webhooks.delivery import Claim, Outcome, claim_due, find_due, record
from coterie.webhooks.mail import NotMailed, send_mail
from coterie.webhooks.messages import email_message, slack_message
from coterie.webhooks.secrecy import sign
from coterie.webhooks.templates import TooLong, render_json

log = logging.getLogger("coterie.webhooks")

THREADS = 8
LOOK_SECONDS = 1.0
STOP_SECONDS = 5.0
"""How long a worker that stops waits for what it is sending; what is cut off is sent again when its lease runs out."""

SLACK_SECONDS = 10.0


class Sender:
    """Sends what is due, until it is stopped. Several may run, in as many processes: each attempt is one's alone."""

    def __init__(
        self, services: Services, transport: Transport | None = None, jitter: Callable[[], float] = random.random
    ) -> None:
        self._services = services
        self._transport = transport or Transport(services.settings.webhook_private_addresses)
        self._jitter = jitter
        self._under_way: set[Future[None]] = set()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="coterie-webhook")
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._loop = threading.Thread(target=self._run, name="coterie-webhooks", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._loop.start()

    def stop(self) -> None:
        """Claim no more, and wait a little for what is under way."""
        self._stopping.set()
        self._wake.set()
        if self._loop.is_alive():
            self._loop.join(STOP_SECONDS)
        wait(self._under_way, STOP_SECONDS)
        self._pool.shutdown(wait=False)

    def look(self) -> list[Future[None]]:
        """Claim what is due, as far as there are threads for it, and begin to send it."""
        self._under_way = {each for each in self._under_way if not each.done()}
        free = THREADS - len(self._under_way)
        now = self._services.clock.now()
        with self._services.db.read() as tx:  # most looks find nothing, and then take no lock
            if not free or not find_due(tx, iso(now), 1):
                return []
        with self._services.db.write() as tx:
            claims = claim_due(tx, now, free)
        begun = [self._pool.submit(self._attempt, claim) for claim in claims]
        self._under_way.update(begun)
        for each in begun:
            each.add_done_callback(lambda _: self._wake.set())
        return begun

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            try:
                if not self._stopping.is_set():
                    self.look()
            except Exception:
                log.exception("looking for webhooks to send met an error and goes on")
                self._stopping.wait(LOOK_SECONDS)

    def _attempt(self, claim: Claim) -> None:
        begun = self._services.clock.now()
        try:
            outcome = self._send(claim)
        except Exception as error:
            log.exception("delivery %s met an error", claim.id)
            outcome = Outcome(False, error=f"internal error ({type(error).__name__})")
        if not outcome.delivered:
            log.info("delivery %s failed in attempt %d: %s", claim.id, claim.attempt, outcome.error)
        try:
            with self._services.db.write() as tx:
                record(tx, claim, outcome, begun, self._services.clock.now(), self._jitter())
        except Exception:
            log.exception("the outcome of delivery %s could not be written: it will be sent again", claim.id)

    def _send(self, claim: Claim) -> Outcome:
        if claim.channel is None:
            return Outcome(False, error="the channel was removed from the webhook", final=True)
        configs = claim.channel["configs"]
        try:
            if claim.channel["channel"] == "email":
                return self._mail(claim, configs)
            if claim.channel["channel"] == "slack":
                body = slack_message(configs, orjson.loads(claim.event))
                return self._post(configs["webhook_url"], {}, body, SLACK_SECONDS)
            return self._post_event(claim, configs)
        except TooLong as error:
            return Outcome(False, error=str(error), final=True)

    def _post_event(self, claim: Claim, configs: Mapping[str, Any]) -> Outcome:
        event, template = orjson.loads(claim.event), configs["payload_template"]
        body = claim.event if template is None else render_json(template, event)
        headers = {
            **configs["headers"],
            "Coterie-Event": event["event_type"],
            "Coterie-Delivery": claim.id,
            "Coterie-Signature": sign(claim.signing, int(self._services.clock.now().timestamp()), body),
        }
        return self._post(configs["url"], headers, body, configs["timeout"])

    def _post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Outcome:
        sent = {"User-Agent": f"Coterie/{__version__}", **headers, "Content-Type": "application/json"}
        try:
            answer = self._transport.post(url, sent, body, seconds)
        except Unreachable as error:
            return Outcome(False, error=str(error))
        if 200 <= answer.status < 300:
            return Outcome(True, answer.status, excerpt=answer.excerpt)
        redirect = "; redirects are not followed" if 300 <= answer.status < 400 else ""
        told = f"answered {answer.status}{redirect}"
        return Outcome(False, answer.status, told, answer.excerpt, answer.retry_after)

    def _mail(self, claim: Claim, configs: Mapping[str, Any]) -> Outcome:
        settings = self._services.settings
        if settings.smtp_url is None or settings.smtp_from is None:
            return Outcome(
                False, error="no email is sent here: the operator has to set COTERIE_SMTP_URL and COTERIE_SMTP_FROM"
            )
        now = self._services.clock.now()
        message = email_message(configs, orjson.loads(claim.event), settings.smtp_from, claim.id, now)
        recipients = [*configs["to_addresses"], *configs["cc_addresses"], *configs["bcc_addresses"]]
        try:
            refused = send_mail(settings.smtp_url, settings.smtp_from, recipients, message)
        except NotMailed as error:
            log.warning("delivery %s: %s", claim.id, error.__cause__ or error)
            return Outcome(False, error=str(error))
        return Outcome(True, error=f"refused for {', '.join(refused)}" if refused else None)
