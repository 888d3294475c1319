"""Why a database is unreachable, in a few words without names, addresses or secrets."""

import re

_KNOWN = re.compile(
    "failed to resolve host|name or service not known|connection refused|timeout expired"
    "|did not answer in time"
    "|no route to host|network is unreachable|server closed the connection unexpectedly"
    "|password authentication failed|no password supplied|no pg_hba.conf entry"
    "|(database|role) does not exist|too many (clients|connections)"
    "|remaining connection slots are reserved"
    "|the database system is (starting up|shutting down|in recovery mode)"
    "|server does not support SSL"
    "|is not permitted to log in|permission denied for database"
    "|not (currently|yet) accepting connections|disk I/O error"
    "|certificate verify failed|canceling statement due to (lock|statement) timeout"
    "|unable to open database file|database is locked|attempt to write a readonly database",
    re.IGNORECASE,
)
"""What drivers say. Only these words are repeated, because the rest may contain anything."""

_QUOTED = re.compile('"[^"]*" ')


def reason(error: BaseException) -> str | None:
    """Return the reason that the driver gave for an error, or None if it is not a known one."""
    cause: BaseException | None = error
    while cause:
        if known := _KNOWN.search(_QUOTED.sub("", str(cause))):
            return known[0][0].lower() + known[0][1:]
        cause = cause.__cause__
    return None
