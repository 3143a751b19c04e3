"""Asks the gateway on new connections until every answer has come from one generation for long enough.

Runs in a pod of the Job `settle`, with the standard library only. Its last line is the Job's termination message.
"""

import http.client
import json
import os
import ssl
import sys
import time

HEADER = "x-llm-d-generation"
WANTED = os.environ["GENERATION"]
PAUSE = 0.2


def ask() -> str:
    """What is wrong with one answer; empty: it comes from the wanted generation."""
    host, port = os.environ["HOST"], int(os.environ["PORT"])
    if os.environ["TLS"] == "true":
        unverified = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=10, context=unverified)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", os.environ["ASK"], headers=json.loads(os.environ["HEADERS"]))
        answer = connection.getresponse()
        found = answer.getheader(HEADER, "")
        if found == WANTED and answer.status < 500:
            return ""
        return f"status {answer.status}, {HEADER}: {found or 'none'}"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"
    finally:
        connection.close()


def main() -> int:
    """0 once the answers have been right for SECONDS; 1 after LIMIT seconds."""
    seconds, limit = float(os.environ["SECONDS"]), float(os.environ["LIMIT"])
    if os.environ["NAMED"] != "true":
        time.sleep(seconds)
        print(f"waited {seconds:.0f} s; the answers do not name their generation")
        return 0
    start = right = time.monotonic()
    last = "nothing was asked"
    while (now := time.monotonic()) - start < limit:
        if wrong := ask():
            right, last = time.monotonic(), wrong
        elif now - right >= seconds:
            generation = f"generation {WANTED}" if WANTED else "the unnamed generation"
            print(f"all answers for {seconds:.0f} s came from {generation}")
            return 0
        time.sleep(PAUSE)
    print(f"after {limit:.0f} s the gateway still leads elsewhere: {last} (GET {os.environ['ASK']})")
    return 1


if __name__ == "__main__":
    sys.exit(main())
