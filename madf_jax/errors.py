"""The one exception that means "the user can fix this"."""


class UserError(ValueError):
    """A mistake in a file, a config key or a shape: one line that names it and the fix.

    The scripts and the command line print its message without a traceback and exit with status 1.
    """

    def __str__(self) -> str:
        """The message with control characters escaped: it may hold a file's name."""
        return escape(super().__str__())


def escape(text: str) -> str:
    r"""Replaces what a terminal would act on (`\x1b`, newlines, lone surrogates) by escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
