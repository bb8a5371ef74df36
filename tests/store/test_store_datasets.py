"""Datasets: versions that never change, bytes kept once, and only as long as they are needed."""

import hashlib

from tests.store.bookkeeper import Bookkeeper

from levain_training.store import datasets, jobs


def upload(books: Bookkeeper, body: bytes, name: str = "sales", tenant: str = "anna") -> int:
    books.now += 1
    parts = [body[i : i + 4] for i in range(0, len(body), 4)]
    sha256 = hashlib.sha256(body).hexdigest()
    return books.write(datasets.add_version, tenant, name, sha256, len(body), lambda: parts, books.now).version


def stored(books: Bookkeeper, body: bytes, tenant: str = "anna") -> bytes:
    sha256, read, part = hashlib.sha256(body).hexdigest(), b"", 0
    while (data := books.read(datasets.read_blob_part, tenant, sha256, part)) is not None:
        read, part = read + data, part + 1
    return read


def test_each_upload_is_a_version_and_the_latest_is_found(books: Bookkeeper) -> None:
    assert [upload(books, b) for b in (b"monday", b"tuesday", b"monday")] == [1, 2, 3]
    latest = books.read(datasets.latest, "anna", "sales")
    assert latest is not None
    assert (latest.version, latest.sha256, latest.size_bytes) == (3, hashlib.sha256(b"monday").hexdigest(), 6)
    assert books.read(datasets.latest, "anna", "unknown") is None
    assert stored(books, b"tuesday") == b"tuesday"


def test_versions_are_paged_newest_first(books: Bookkeeper) -> None:
    for n in range(5):
        upload(books, bytes([n]))
    pages = [books.read(datasets.versions, "anna", "sales", before, 2) for before in (None, 4, 2)]
    assert [[d.version for d in page] for page in pages] == [[5, 4], [3, 2], [1]]


def test_names_are_paged_with_the_latest_version_of_each(books: Bookkeeper) -> None:
    for name, count in (("a", 1), ("b", 2), ("c", 3)):
        for n in range(count):
            upload(books, name.encode() + bytes([n]), name)
    pages = [books.read(datasets.names, "anna", after, 2) for after in ("", "b")]
    assert [[(d.name, d.version) for d in page] for page in pages] == [[("a", 1), ("b", 2)], [("c", 3)]]


def test_the_same_bytes_are_kept_once_and_until_no_version_has_them(books: Bookkeeper) -> None:
    for name in ("one", "two", "two"):
        upload(books, b"the same bytes", name)
    upload(books, b"the same bytes", "one", tenant="bert")
    assert books.write(datasets.delete, "anna", "one")
    assert stored(books, b"the same bytes") == b"the same bytes"
    assert books.write(datasets.delete, "anna", "two")
    assert stored(books, b"the same bytes") == b""
    assert stored(books, b"the same bytes", "bert") == b"the same bytes"
    assert not books.write(datasets.delete, "anna", "two")


def test_deleting_takes_all_versions_and_a_new_upload_begins_again(books: Bookkeeper) -> None:
    upload(books, b"one")
    upload(books, b"two")
    books.write(datasets.delete, "anna", "sales")
    assert stored(books, b"one") == stored(books, b"two") == b""
    assert books.read(datasets.names, "anna", "", 10) == []
    assert upload(books, b"three") == 1


def test_a_job_that_has_not_read_its_dataset_yet_keeps_the_bytes(books: Bookkeeper) -> None:
    upload(books, b"needed")
    upload(books, b"not needed")
    for job in ("one", "two"):
        books.start(job=job, dataset={"dataset_name": "sales", "dataset_sha256": hashlib.sha256(b"needed").hexdigest()})
    books.write(datasets.delete, "anna", "sales")
    assert (stored(books, b"needed"), stored(books, b"not needed")) == (b"needed", b"")
    books.write(jobs.cancel, "anna", "one", books.now)
    assert stored(books, b"needed") == b"needed"
    books.write(jobs.cancel, "anna", "two", books.now)
    assert stored(books, b"needed") == b""


def test_the_end_of_a_job_leaves_a_dataset_that_is_still_there(books: Bookkeeper) -> None:
    upload(books, b"kept")
    books.start(dataset={"dataset_name": "sales", "dataset_sha256": hashlib.sha256(b"kept").hexdigest()})
    books.write(jobs.cancel, "anna", "job", books.now)
    assert stored(books, b"kept") == b"kept"
