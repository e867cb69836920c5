"""A bucket on this machine: gcp-storage-emulator, with the conditions that TensorStore relies on.

python -m tests.buckets.emulator HOST PORT BUCKET
"""

import sys
from http import HTTPStatus

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects


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
    if wanted and name and [_generation(storage, bucket, name[0])] != wanted:
        response.status = HTTPStatus.PRECONDITION_FAILED
        return
    insert(request, response, storage, *args, **kwargs)


def main(host, port, bucket):
    """Serves until it is ended."""
    objects.download, objects.insert = _download, _insert
    from gcp_storage_emulator.server import create_server  # takes the functions above

    create_server(host, int(port), in_memory=True, default_bucket=bucket).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
