"""Addresses in buckets of S3-compatible stores, and where a gallery is: there, or in a folder."""

import re
from dataclasses import dataclass
from pathlib import Path

SCHEME = "s3://"
# Some stores still have buckets from the time when S3 allowed more; a new gallery needs none.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_STRICT_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Characters that no store, signature or URL treats specially.
_PART = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,127}")
_MOST_PARTS = 16
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def in_bucket(text: object) -> bool:
    """Whether a text is the address of a bucket, or of something in one.

    >>> in_bucket("s3://pictures"), in_bucket("S3://pictures/a.jpg"), in_bucket("/s3"), in_bucket(3)
    (True, True, False, False)
    """
    return isinstance(text, str) and text[: len(SCHEME)].lower() == SCHEME


def split_address(text: str) -> tuple[str, str]:
    """The bucket of an address, and the rest of it: a key or a prefix, as written; "" for none.

    Raises:
        ValueError: it names no bucket; the message never repeats the text, which may hold a key.

    >>> split_address("s3://pictures/birds/01.jpg"), split_address("S3://pictures")
    (('pictures', 'birds/01.jpg'), ('pictures', ''))
    """
    bucket, _, rest = text[len(SCHEME) :].partition("/") if in_bucket(text) else ("", "", "")
    if "@" in bucket or ":" in bucket:
        raise ValueError(
            "the address of a bucket holds neither a key nor a port; set AWS_ACCESS_KEY_ID,"
            " AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL in the environment instead"
        )
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("the address names no bucket; write s3://BUCKET or s3://BUCKET/PREFIX")
    return bucket, rest


@dataclass(frozen=True)
class BucketAddress:
    """A prefix in a bucket, as s3://BUCKET/PREFIX.

    Attributes:
        bucket: name of the bucket.
        prefix: what the names of its objects begin with, without a slash at either end.
    """

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}"

    @property
    def name(self) -> str:
        """The last part of the prefix."""
        return self.prefix.rpartition("/")[2]

    @classmethod
    def parse(cls, text: str) -> "BucketAddress":
        """Parse an address.

        Raises:
            ValueError: it is not one; the message never repeats the text, which may hold a key.

        >>> BucketAddress.parse("s3://pictures/birds/v2/")
        BucketAddress(bucket='pictures', prefix='birds/v2')
        """
        bucket, prefix = split_address(text)
        parts = prefix.removesuffix("/").split("/")
        fits = len(parts) <= _MOST_PARTS and all(map(_PART.fullmatch, parts))
        if not (_STRICT_BUCKET.fullmatch(bucket) and fits):
            raise ValueError(
                "the address of a gallery in a bucket is s3://BUCKET/NAME: a bucket in lower case,"
                " then one to 16 names of letters, digits, dot, dash, underscore and equals sign,"
                " with slashes between them; no name begins with a dot"
            )
        return cls(bucket, "/".join(parts))


def is_url(text: str) -> bool:
    """Whether a text is a URL, or a path that was made of one.

    >>> is_url("s3://pictures/birds"), is_url(str(Path("https://a/b"))), is_url("a:b"), is_url("/a")
    (True, True, False, False)
    """
    return _URL.match(text) is not None


LOCAL = "is a URL, but must be a path on this machine: only a gallery can be in a bucket"
"""What is wrong with a URL where a path is needed."""
Place = Path | BucketAddress
"""Where a gallery is."""


def read_place(text: str) -> Place:
    """A folder, or the address of a gallery in a bucket if the text begins with s3://.

    Raises:
        ValueError: the text is another URL, or not the address of a bucket.

    >>> read_place("galleries/birds"), read_place("s3://pictures/birds")
    (PosixPath('galleries/birds'), BucketAddress(bucket='pictures', prefix='birds'))
    """
    if in_bucket(text):
        return BucketAddress.parse(text)
    if is_url(text):
        scheme = text.partition(":")[0]
        raise ValueError(f"{scheme}: cannot hold a gallery; give a folder, or s3://BUCKET/NAME")
    return Path(text)
