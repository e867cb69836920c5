"""A bucket on this machine: gcp-storage-emulator, with the conditions that TensorStore relies on.

A client that stops in the middle of a request keeps nobody else waiting, and half an object that
a killed one sent is not stored.

A bucket that is named `status-403` answers every request with that status. In any other one, an
object `REFUSED` that holds `STATUS TIMES PATTERN` refuses so many new objects whose names match,
and is then removed.

python -m tests.buckets.emulator HOST PORT BUCKET
"""

import collections
import functools
import http.server
import io
import re
import sys
import threading
from http import HTTPStatus

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects

REFUSED = "refused.txt"
_COUNTS: collections.Counter[str] = collections.Counter()
_ONE_AT_A_TIME = threading.Lock()


def _generation(storage, bucket, name):
    """Of the object that is there; '0' if there is none."""
    try:
        return storage.get_file_obj(bucket, name)["generation"]
    except NotFound:
        return "0"


def _download(request, response, storage, *args, download=objects.download, **kwargs):
    place = request.params["bucket_name"], request.params["object_id"]
    generation = _generation(storage, *place)
    if generation != "0":
        response["x-goog-generation"] = generation
    if request.query.get("ifGenerationNotMatch") == [generation]:
        response.status = HTTPStatus.NOT_MODIFIED
        return
    download(request, response, storage, *args, **kwargs)


def _insert(request, response, storage, *args, insert=objects.insert, **kwargs):
    wanted, name = request.query.get("ifGenerationMatch"), request.query.get("name")
    bucket = request.params["bucket_name"]
    if refused := _refusal(request, storage, bucket):
        _refuse(response, refused)
        return
    if wanted and name and [_generation(storage, bucket, name[0])] != wanted:
        response.status = HTTPStatus.PRECONDITION_FAILED
        return
    insert(request, response, storage, *args, **kwargs)


def _refusal(request, storage, bucket):
    """The status that `REFUSED` has for a new object; None if it may be written."""
    try:
        rule = storage.get_file(bucket, REFUSED, False).decode()
    except NotFound:
        return None
    status, times, pattern = rule.split(" ", 2)
    name = request.query.get("name", [""])[0]
    if not name and isinstance(request.data, dict):
        name = request.data.get("meta", request.data)["name"]
    if not re.search(pattern, name):
        return None
    _COUNTS[rule] += 1
    if _COUNTS[rule] == int(times):
        storage.delete_file(bucket, REFUSED)
    return HTTPStatus(int(status))


def _refuse(response, status):
    response.status = status
    response.json({"error": {"code": status.value, "message": f"{status.phrase}, says the test"}})


def _handle(router, method, handle):
    """Handles a request once all of it is here, and answers when others are handled again."""
    from gcp_storage_emulator.server import _read_raw_data

    request = router._request_handler
    connection, body = (request.rfile, request.wfile), _read_raw_data(request) or b""
    if len(body) < int(request.headers.get("Content-Length", 0)):
        return  # the client is gone
    for header in ("Transfer-Encoding", "Content-Length"):
        del request.headers[header]
    request.headers["Content-Length"] = str(len(body))
    request.rfile, request.wfile = io.BytesIO(body), io.BytesIO()
    try:
        with _ONE_AT_A_TIME:
            _handle_or_refuse(router, method, handle)
    finally:
        answer = request.wfile.getvalue()
        request.rfile, request.wfile = connection
    request.wfile.write(answer)


def _handle_or_refuse(router, method, handle):
    from gcp_storage_emulator.server import Response

    request = router._request_handler
    always = re.search(r"/b/status-(\d+)\b", request.path)
    if always is None:
        handle(router, method)
        return
    response = Response(request)
    _refuse(response, HTTPStatus(int(always[1])))
    response.close()


def main(host, port, bucket):
    """Serves until it is ended."""
    objects.download, objects.insert = _download, _insert
    from gcp_storage_emulator import server  # takes the functions above

    server.Router.handle = functools.partialmethod(_handle, handle=server.Router.handle)
    server.server.HTTPServer = http.server.ThreadingHTTPServer
    server.create_server(host, int(port), in_memory=True, default_bucket=bucket).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
