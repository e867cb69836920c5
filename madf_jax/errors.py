"""The one exception that means "the user can mend this"."""


class UserError(ValueError):
    """A mistake in a file, a config key or a shape, told in one line with its fix.

    The scripts and the command line print its message without a traceback and exit with status 1.
    """
