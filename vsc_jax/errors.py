"""The one exception for mistakes of the user: shown as a single line, without a traceback."""


class UserError(ValueError):
    """A file, field or value that cannot be used; the message names it and says what was expected."""
