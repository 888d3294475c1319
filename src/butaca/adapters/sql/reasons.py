"""Why a database is unavailable, in a few words without names, addresses or secrets."""

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
"""Known driver messages. Only these are repeated, because the rest may contain secrets."""

_QUOTED = re.compile('"[^"]*" ')


def reason(error: BaseException) -> str | None:
    """Return the driver's reason for an error, or None if it is unknown."""
    cause: BaseException | None = error
    while cause:
        if match := _KNOWN.search(_QUOTED.sub("", str(cause))):
            return match[0][0].lower() + match[0][1:]
        cause = cause.__cause__
    return None
