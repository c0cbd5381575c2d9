"""Processes that write to a gallery in a bucket, to be killed or stopped."""

import os
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from gallery_images import image
from gallery_writer import Change
from staged_rows import staged

from partlens.common.bucket_address import BucketAddress
from partlens.indexer.errors import LockedError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.home.bucket import BucketHome
from partlens.indexer.gallery.home.scratch import Scratch

CHANGES = (
    Change("add", ("a", "b"), 1),
    Change("add", ("b", "c"), 2),
    Change("delete", ("a",), 0),
    Change("compact", (), 0),
    Change("add", ("d",), 3),
    Change("erase", ("b",), 0),
    Change("stage", ("e", "f"), 4),
)


def opened(address: BucketAddress, scratch: Path, lease: float) -> Gallery:
    """The gallery at an address, with a lease of so many seconds."""
    return Gallery.open(BucketHome(address, Scratch(scratch), lease))


def change(
    address: BucketAddress, variables: Mapping[str, str], lease: float, pipe: Connection
) -> None:
    """Makes CHANGES; sends each with False before, and with True once it is acknowledged."""
    os.environ.update(variables)
    with opened(address, Path(variables["PARTLENS_SCRATCH"]), lease) as gallery:
        for each in CHANGES:
            pipe.send((each, False))
            if each.kind == "add":
                gallery.add([image(id, each.seed) for id in each.ids])
            elif each.kind == "stage":
                with gallery.staging() as folder:
                    revision, images = (
                        gallery.next_revision,
                        [image(id, each.seed) for id in each.ids],
                    )
                    gallery.add_staged(staged(gallery, folder, images, revision), revision)
            elif each.kind == "compact":
                gallery.compact()
            else:
                gallery.delete(each.ids)
                if each.kind == "erase":
                    gallery.purge()
            pipe.send((each, True))


def add_when_told(
    address: BucketAddress, variables: Mapping[str, str], lease: float, pipe: Connection
) -> None:
    """Adds an image for each id that it is sent, and sends whether it could."""
    os.environ.update(variables)
    with opened(address, Path(variables["PARTLENS_SCRATCH"]), lease) as gallery:
        while id := pipe.recv():
            try:
                gallery.add([image(id)])
            except LockedError as error:
                pipe.send(str(error))
            else:
                pipe.send("")
