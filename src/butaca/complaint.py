"""What an operator can mend, told in one line instead of a traceback."""


class Complaint(Exception):
    """Something about this machine or its settings that keeps a command from running."""
