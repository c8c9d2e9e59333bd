"""Handing an email to the operator's mail server."""

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

SECONDS = 30
PORTS = {"smtp": 587, "smtps": 465}


class NotMailed(Exception):
    """The mail server did not take the message; what it said is for the operator's log, not for the webhook's owner."""


def send_mail(
    url: str, sender: str, recipients: Sequence[str], message: EmailMessage, tls: ssl.SSLContext | None = None
) -> list[str]:
    """Hand a message over; the recipients that were refused while others were not. Raises NotMailed."""
    try:
        server = urlsplit(url)
        host, port = server.hostname or "", server.port or PORTS[server.scheme]
        with _connect(server.scheme, host, port, tls or ssl.create_default_context()) as connection:
            if server.username:
                if not isinstance(connection.sock, ssl.SSLSocket):
                    raise NotMailed("the mail server offers no encryption: a password is not sent to it")
                connection.login(unquote(server.username), unquote(server.password or ""))
            refused = connection.send_message(message, parseaddr(sender)[1], list(recipients))
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise NotMailed(f"the mail server did not take the message ({type(error).__name__})") from error
    return list(refused)


def _connect(scheme: str, host: str, port: int, tls: ssl.SSLContext) -> smtplib.SMTP:
    """A connection, encrypted from the start (`smtps`) or as soon as the server offers it."""
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=tls)
    connection = smtplib.SMTP(host, port, timeout=SECONDS)
    try:
        connection.ehlo()
        if connection.has_extn("starttls"):
            connection.starttls(context=tls)
    except BaseException:
        connection.close()
        raise
    return connection
