"""ICC profiles with an obvious effect, known without a colour engine."""

import struct

from PIL import ImageCms


def srgb() -> bytes:
    """A profile that changes nothing."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def blue_is_red() -> bytes:
    """SRGB with red and blue swapped."""
    profile = srgb()
    names = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [profile[132 + 12 * i : 144 + 12 * i] for i in range(count)]
    table = b"".join(names.get(entry[:4], entry[:4]) + entry[4:] for entry in entries)
    return profile[:132] + table + profile[132 + 12 * count :]


def grey(gamma: float) -> bytes:
    """Grey with light = level ** gamma, in steps of 1/256."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": curve})


def black_ink_alone() -> bytes:
    """CMYK in which only K counts: lightness L* falls in proportion."""
    identity = bytes(range(256))
    # The last channel changes fastest; 8-bit Lab, a and b in the middle.
    grid = bytes((255, 128, 128, 0, 128, 128)) * 8
    unit = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + unit + identity * 4 + grid + identity * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": lut})


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"wtpt": white, **tags}
    table, body = struct.pack(">I", len(tags)), b""
    start = 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    header = bytes(4) + b"lcms" + bytes((2, 0x40, 0, 0)) + kind + space + connection + bytes(12)
    header += b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    size = struct.pack(">I", start + len(body))
    return size + header[4:].ljust(124, b"\0") + table + body
