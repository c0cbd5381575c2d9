"""Malformed and odd requests, as bytes, generated from the contract's descriptors and a seed."""

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

# Wire types of protobuf's encoding.
_VARINT, _FIXED64, _BYTES, _START_GROUP, _FIXED32 = 0, 1, 2, 3, 5
_FIXED = {
    FieldDescriptor.TYPE_DOUBLE: "<d",
    FieldDescriptor.TYPE_FLOAT: "<f",
    FieldDescriptor.TYPE_FIXED64: "<Q",
    FieldDescriptor.TYPE_FIXED32: "<I",
}
_INTEGERS = (0, 1, 2, 3, 4, 99, 1000, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_NUMBERS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1e9, -1e9, 1e300, 5e-324, 2.0**53),
    *(float("nan"), float("inf"), float("-inf")),
)
_STRINGS = (
    *("", " ", "a\0b", "a\nb", "x" * 512, "x" * 513, "y" * 20_000, "../../etc/passwd", "%s%n"),
    *("\u202egnp", "e\u0301", "\ufeff", "\ufffe", "\U0010ffff", "' OR 1=1 --", "*", "é" * 300),
)
# Not UTF-8: invalid bytes, a surrogate, an overlong slash, a truncated character.
_NO_STRINGS = (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xe2\x82", b"a\x80b")
_MANY, _DEEP = 3000, 5000
_ITSELF = 0.25
"""Probability of a field of the message's own kind: three such fields give less than one each."""
Values = Mapping[str, Sequence[bytes]]


def varint(number: int) -> bytes:
    """A number of up to 64 bits in protobuf's varint encoding."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, wire: int, value: bytes) -> bytes:
    """One field of a message; wire type 2 includes its length."""
    length = varint(len(value)) if wire == _BYTES else b""
    return varint(number << 3 | wire) + length + value


def _inside_itself(of: FieldDescriptor) -> bool:
    """Whether the messages of a field are of the kind that holds it."""
    return of.message_type is not None and of.message_type == of.containing_type


@dataclass(frozen=True)
class MessageFuzzer:
    """Generates messages of any type.

    Attributes:
        random: source of all random choices.
        good: sensible values, by the name of the string or bytes field.
        sense: probability of a sensible value, 0 to 1.
    """

    random: random.Random
    good: Values
    sense: float

    def message(self, type: Descriptor, depth: int = 0) -> bytes:
        """A message with some fields in any order, mostly one per oneof."""
        fields = [f for f in type.fields if f.containing_oneof is None or self._odd(0.1)]
        fields += [self.random.choice(oneof.fields) for oneof in type.oneofs]
        self.random.shuffle(fields)
        most = 0.85 if depth else 0.7
        chosen = [
            f for f in fields if self.random.random() < (_ITSELF if _inside_itself(f) else most)
        ]
        return b"".join(self.field(f, depth) for f in chosen)

    def field(self, of: FieldDescriptor, depth: int = 0) -> bytes:
        """A field with a value, or several if it is repeated."""
        count = 1
        if of.is_repeated and not _inside_itself(of):
            count = self.random.choice((0, 2, 3, 40)) if self._odd(0.3) else 1
            count = _MANY if self._odd(0.02) and depth < 2 else count
        return b"".join(self._one(of, depth) for _ in range(count))

    def damaged(self, message: bytes) -> bytes:
        """The message with a fault on the wire."""
        at = self.random.randint(0, len(message))
        bits = bytes([self.random.getrandbits(8)])
        number = self.random.choice((1, 2, 3, 15, 99, 2**29 - 1))
        faults: tuple[Callable[[], bytes], ...] = (
            lambda: message[:at],
            lambda: message[:at] + bits + message[at + 1 :],
            lambda: message[:at] + bits * 4 + message[at:],
            lambda: message + message,
            lambda: message + field(number, _BYTES, self.random.randbytes(20)),
            lambda: message + varint(number << 3 | _BYTES) + varint(2**31 - 1),
            lambda: message + varint(number << 3 | _START_GROUP) * _DEEP,
            lambda: message + self._nested(number),
            lambda: message + b"\xff" * 11,
            lambda: self.random.randbytes(self.random.randint(1, 200)),
        )
        return self.random.choice(faults)()

    def _odd(self, share: float) -> bool:
        return self.random.random() < share * (1.5 - self.sense)

    def _nested(self, number: int) -> bytes:
        message = b""
        for _ in range(200):
            message = field(number, _BYTES, message)
        return message

    def _one(self, of: FieldDescriptor, depth: int) -> bytes:
        sensible = self.random.random() < self.sense
        if of.message_type is not None:
            inner = self.message(of.message_type, depth + 1) if depth < 8 else b""
            return field(of.number, _BYTES, inner)
        if of.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            return field(of.number, _BYTES, self._bytes(of, sensible))
        if form := _FIXED.get(of.type):
            wire = _FIXED64 if struct.calcsize(form) == 8 else _FIXED32
            return field(of.number, wire, self._fixed(form, sensible))
        most = 3 if of.enum_type is None else len(of.enum_type.values) - 1
        number = self.random.randint(0, most) if sensible else self.random.choice(_INTEGERS)
        return field(of.number, _VARINT, varint(number))

    def _bytes(self, of: FieldDescriptor, sensible: bool) -> bytes:
        if sensible and of.name in self.good:
            return self.random.choice(self.good[of.name])
        if self.random.random() < 0.2:
            return self.random.choice(_NO_STRINGS)
        return self.random.choice(_STRINGS).encode()

    def _fixed(self, form: str, sensible: bool) -> bytes:
        if form in ("<d", "<f"):
            odd = [n for n in _NUMBERS if form == "<d" or n != 1e300]
            number = self.random.uniform(1, 20) if sensible else self.random.choice(odd)
            return struct.pack(form, number)
        return struct.pack(form, self.random.choice(_INTEGERS) % 2 ** (8 * struct.calcsize(form)))


@dataclass(frozen=True)
class Case:
    """A call: its path and the bytes of its requests."""

    path: str
    requests: tuple[bytes, ...]


def case(
    seed: int,
    number: int,
    methods: Sequence[MethodDescriptor],
    known: Mapping[str, Sequence[bytes]],
    good: Values,
) -> Case:
    """The call with this number; the same arguments give the same call.

    Args:
        methods: methods to choose from.
        known: valid requests, by the full name of their message type.
        good: see MessageFuzzer.
    """
    chosen = random.Random(f"{seed}/{number}")
    fuzzer = MessageFuzzer(chosen, good, sense=chosen.choice((0.2, 0.9, 0.99)))
    method = methods[number % len(methods)]
    type = method.input_type

    def request() -> bytes:
        if type.full_name in known and chosen.random() < 0.4:
            # A repeated field is merged: only this field of the known request changes.
            message = chosen.choice(known[type.full_name])
            message += b"".join(fuzzer.field(f) for f in type.fields if chosen.random() < 0.15)
        else:
            message = fuzzer.message(type)
        return fuzzer.damaged(message) if chosen.random() < 0.2 else message

    # Unary methods sometimes get no request, or two.
    usual = chosen.randint(1, 5) if method.client_streaming else 1
    count = chosen.choice((0, 2)) if chosen.random() < 0.02 else usual
    path = f"/{method.containing_service.full_name}/{method.name}"
    return Case(path, tuple(request() for _ in range(count)))
