"""Buckets of Google Cloud Storage: what is needed to reach one, and what its errors mean."""

import importlib.util
import logging
import re
import textwrap

from madf_jax.errors import UserError

_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]*[a-z0-9](/.*)?")
_LONGEST = 200  # characters of an error
_REMEDIES: dict[object, str] = {
    401: "log in: gcloud auth application-default login",
    403: "give this account the role Storage Object Admin in this bucket (Viewer to read only)",
}


def prepare(url: str, shown: str) -> None:
    """Finds out whether a URL can be one of a bucket, and sets up the library that reads it.

    Args:
        url: that begins with a scheme.
        shown: the URL with the flag or key that names it, for messages.

    Raises:
        UserError: it is another URL, names no bucket, or the extra [gcs] is not installed.
    """
    if not url.lower().startswith("gs://"):
        raise UserError(f"{shown}: only local paths and gs://BUCKET/... are supported")
    if not _BUCKET.fullmatch(url):
        raise UserError(f"{shown}: names no bucket; write gs://BUCKET/PATH")
    if importlib.util.find_spec("gcsfs") is None:
        raise UserError(f"{shown}: needs the package gcsfs: pip install 'madf-jax[gcs]'")
    # They log every file that is opened, and a traceback of every error that they raise.
    for library in ("gcsfs", "fsspec", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    import fsspec

    # Else what another process has written since would not be seen.
    fsspec.config.conf.setdefault("gcs", {})["use_listings_cache"] = False


def explain(error: Exception) -> str:
    """What gcsfs, its transport or its authentication has raised, in one line, and the remedy."""
    text = textwrap.shorten(str(error) or type(error).__name__, _LONGEST, placeholder=" ...")
    return f"{text}; {_remedy(error)}"


def _remedy(error: Exception) -> str:
    status = 403 if str(error).startswith("Forbidden") else getattr(error, "code", None)
    if type(error).__module__.startswith("google.auth"):
        status = 401
    return _REMEDIES.get(status, "start again when the bucket can be reached")
