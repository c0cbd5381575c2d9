"""People to draw: each is a set of attributes, sampled from the tables below."""

from dataclasses import asdict, dataclass, replace

from numpy.random import Generator

Colour = tuple[int, int, int]

SKIN: dict[str, Colour] = {
    "fair": (243, 209, 180),
    "light": (228, 182, 144),
    "tan": (196, 144, 102),
    "brown": (145, 96, 64),
    "dark": (96, 63, 46),
}
HAIR: dict[str, Colour] = {
    "black": (38, 32, 34),
    "brown": (99, 62, 38),
    "blond": (221, 183, 104),
    "red": (168, 76, 36),
    "grey": (168, 168, 172),
}
CLOTH: dict[str, Colour] = {
    "black": (48, 48, 54),
    "white": (238, 236, 230),
    "grey": (138, 142, 148),
    "red": (204, 54, 52),
    "orange": (236, 138, 46),
    "yellow": (242, 206, 72),
    "green": (64, 142, 84),
    "teal": (46, 150, 158),
    "blue": (54, 98, 186),
    "purple": (124, 76, 158),
    "pink": (234, 140, 168),
    "brown": (124, 84, 54),
}
# The values of each attribute, with their probabilities.
CHOICES: dict[str, dict[str, float]] = {
    "hat": {"none": 0.45, "cap": 0.2, "beanie": 0.2, "brimmed": 0.15},
    "hair": {"bald": 0.1, "short": 0.35, "long": 0.3, "bun": 0.12, "curly": 0.13},
    "glasses": {"none": 0.55, "clear": 0.25, "sunglasses": 0.2},
    "beard": {"none": 0.6, "moustache": 0.15, "full": 0.25},
    "top": {"long sleeves": 0.55, "short sleeves": 0.45},
    "pattern": {"plain": 0.4, "stripes": 0.2, "checks": 0.2, "dots": 0.2},
    "bag": {"none": 0.4, "backpack": 0.22, "handbag": 0.19, "shoulder bag": 0.19},
    "legwear": {"trousers": 0.5, "shorts": 0.22, "skirt": 0.28},
    "shoes": {"shoes": 0.65, "boots": 0.35},
}
# Attributes that change together to make a look-alike: the same person except for one part.
GROUPS = (
    ("hat", "hat_colour"),
    ("hair", "hair_colour"),
    ("glasses",),
    ("beard",),
    ("top", "top_colour"),
    ("pattern", "pattern_colour"),
    ("bag", "bag_colour"),
    ("legwear", "legwear_colour"),
    ("shoes", "shoes_colour"),
)


@dataclass(frozen=True)
class Person:
    """The attributes that all pictures of a person share; each value is a key of a table above.

    A colour is "none" if the person does not wear the thing.
    """

    skin: str
    hat: str
    hat_colour: str
    hair: str
    hair_colour: str
    glasses: str
    beard: str
    top: str
    top_colour: str
    pattern: str
    pattern_colour: str
    bag: str
    bag_colour: str
    legwear: str
    legwear_colour: str
    shoes: str
    shoes_colour: str

    def attributes(self) -> dict[str, str]:
        """Every attribute by its name."""
        return asdict(self)


def sample(rng: Generator) -> Person:
    """A person drawn at random from the tables.

    >>> import numpy as np
    >>> sample(np.random.default_rng(0)) == sample(np.random.default_rng(0))
    True
    """
    looks = {name: _pick(rng, table) for name, table in CHOICES.items()}
    top = _pick(rng, CLOTH)
    return Person(
        skin=_pick(rng, SKIN),
        hat_colour=_pick(rng, CLOTH, worn=looks["hat"] != "none"),
        hair_colour=_pick(rng, HAIR, worn=looks["hair"] != "bald"),
        top_colour=top,
        pattern_colour=_pick(
            rng, {name: 1 for name in CLOTH if name != top}, worn=looks["pattern"] != "plain"
        ),
        bag_colour=_pick(rng, CLOTH, worn=looks["bag"] != "none"),
        legwear_colour=_pick(rng, CLOTH),
        shoes_colour=_pick(rng, CLOTH),
        **looks,
    )


def look_alike(person: Person, rng: Generator) -> Person:
    """The same person except for one part, the only difference between the two."""
    while True:
        other = sample(rng).attributes()
        group = GROUPS[int(rng.integers(len(GROUPS)))]
        changed = replace(person, **{name: other[name] for name in group})
        if changed != person and changed.pattern_colour != changed.top_colour:
            return changed


def _pick(
    rng: Generator, table: dict[str, float] | dict[str, Colour] | dict[str, int], worn: bool = True
) -> str:
    """A key of a table: by probability if the values are numbers, evenly if they are colours."""
    names = list(table)
    weights = [value if isinstance(value, float) else 1.0 for value in table.values()]
    # Drawn even if it is not worn, so that one attribute does not shift all later draws.
    name = names[int(rng.choice(len(names), p=[w / sum(weights) for w in weights]))]
    return name if worn else "none"
