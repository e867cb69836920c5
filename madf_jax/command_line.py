"""Arguments that several commands take."""

import argparse
from collections.abc import Callable
from typing import Any

from madf_jax.files import any_path, local_path


class LocalPath(argparse.Action):
    """An argument that names local files or directories: `~` is expanded, a URL refused.

    An action and not a `type`: argparse would replace the message of a type's UserError.
    """

    _read: Callable[[str, str], Any] = staticmethod(local_path)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Stores the path, or the list of paths.

        Raises:
            UserError: one is not a local path.
        """
        name = self.option_strings[-1] if self.option_strings else ""
        several = isinstance(values, list)
        paths = [self._read(value, name) for value in (values if several else [values])]
        setattr(namespace, self.dest, paths if several else paths[0])


class LocalOrBucketPath(LocalPath):
    """Likewise, but `gs://BUCKET/...` is allowed."""

    _read = staticmethod(any_path)
