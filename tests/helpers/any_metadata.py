"""Random metadata, and an independent check of whether a gallery may hold it."""

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from hypothesis import strategies as st

from partlens.common.metadata import Metadata


class Known(NamedTuple):
    """Metadata of an image, as plain values."""

    camera: str
    track: str
    captured_at: datetime | None
    attributes: dict[str, str]
    uri: str

    def metadata(self) -> Metadata:
        """The metadata without the uri."""
        return Metadata(self.camera, self.track, self.captured_at, self.attributes)


def allowed(known: Known) -> bool:
    """Whether every field keeps to the table of limits in docs/api.md."""
    names = [known.camera, known.track, known.uri, *known.attributes]
    texts = [*names, *known.attributes.values()]
    in_values = [c for text in known.attributes.values() for c in text if c not in "\t\n\r"]
    characters = [*"".join(names), *in_values]
    at = known.captured_at
    return (
        all(len(text) <= 4096 for text in texts)
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in characters)
        and "" not in known.attributes
        and len(known.attributes) <= 256
        and sum(len(text.encode()) for text in texts) <= 65536
        and (at is None or datetime(1, 1, 2) <= _naive_utc(at) < datetime(9999, 12, 31))
    )


def _naive_utc(at: datetime) -> datetime:
    offset = at.utcoffset()
    assert offset is not None
    try:
        return at.replace(tzinfo=None) - offset
    except OverflowError:
        return datetime.max if at.year > 5000 else datetime.min


_characters = st.one_of(
    st.characters(), st.sampled_from("\0\t\n\x1b\x7f\x9b\ud800\udfffäß漢🙂'\"=,;:")
)
_texts = st.one_of(
    st.text(_characters, max_size=6),
    st.sampled_from(["gate", "", "x" * 4096, "x" * 4097, "漢" * 4096]),
)
_zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_times = st.one_of(
    st.none(),
    st.datetimes(timezones=_zones),
    st.sampled_from(
        [
            datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-5))),
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            datetime(1, 1, 2, tzinfo=UTC),
            datetime(1, 1, 2, tzinfo=UTC) - timedelta(microseconds=1),
            datetime(9999, 12, 31, tzinfo=UTC) - timedelta(microseconds=1),
            datetime(9999, 12, 31, tzinfo=UTC),
        ]
    ),
)
_attributes = st.one_of(
    st.dictionaries(_texts, _texts, max_size=3),
    st.integers(255, 258).map(lambda count: {f"a{i}": "x" for i in range(count)}),
    st.integers(15, 17).map(lambda count: {f"a{i}": 4095 * "x" for i in range(count)}),
)
anything = st.builds(Known, _texts, _texts, _times, _attributes, _texts)
"""Mostly several fields; each may be invalid."""
one_field = st.one_of(
    st.builds(Known, _texts, st.just(""), st.none(), st.just({}), st.just("")),
    st.builds(Known, st.just(""), st.just(""), _times, st.just({}), st.just("")),
    st.builds(Known, st.just(""), st.just(""), st.none(), _attributes, _texts),
)
"""One field each, so that many are valid."""
