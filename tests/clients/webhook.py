from standardwebhooks import Webhook, WebhookVerificationError


def event_of(body: bytes, headers: dict[str, str], secret: str) -> dict[str, object] | None:
    """Return the event of a delivery; None: it is not from the server, or more than five minutes old."""
    try:
        return Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return None
