"""The reference library of Standard Webhooks checks what a receiver got: signatures, times, and that nothing can be altered.

Its argument has `secret` and `requests`, each with `headers` and `body`.
"""
import base64
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from common import check


def refuses(webhook, body, headers):
    try:
        webhook.verify(body, headers)
        return False
    except WebhookVerificationError:
        return True


def main():
    argument = json.loads(sys.argv[1])
    secret = argument["secret"]
    # What is no whsec_ is a text of its own, of which the octets are the key.
    key = secret if secret.startswith("whsec_") else secret.encode()
    webhook, other = Webhook(key), Webhook("whsec_" + base64.b64encode(b"another secret").decode())
    check(argument["requests"], "there are requests")
    for request in argument["requests"]:
        body, headers = request["body"], request["headers"]
        event = webhook.verify(body, headers)
        event = event if isinstance(event, dict) else json.loads(body)
        check(set(event) == {"type", "timestamp", "data"}, "type, timestamp and data", body)
        check(refuses(webhook, body.replace("robin", "rogue"), headers), "an altered body is refused", body)
        check(refuses(webhook, body, dict(headers, **{"webhook-id": "msg_other"})), "another id is refused")
        later = str(int(headers["webhook-timestamp"]) + 1)
        check(refuses(webhook, body, dict(headers, **{"webhook-timestamp": later})), "another time is refused")
        check(refuses(other, body, headers), "another secret is refused")


main()
