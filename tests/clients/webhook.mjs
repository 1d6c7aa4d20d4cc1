import { Webhook, WebhookVerificationError } from "standardwebhooks";

// The event of a delivery; undefined: it is not from the server, or more than five minutes old.
export function eventOf(body, headers, secret) {
  try {
    return new Webhook(secret).verify(body, headers);
  } catch (error) {
    if (error instanceof WebhookVerificationError) return undefined;
    throw error;
  }
}
