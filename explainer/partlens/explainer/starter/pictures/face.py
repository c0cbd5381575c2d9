"""Draws a person's head: face, hair, beard, glasses and hat."""

from partlens.explainer.starter.pictures.canvas import LABELS, SKIN, Canvas, Place, blend
from partlens.explainer.starter.pictures.person import CLOTH, HAIR, Colour, Person
from partlens.explainer.starter.pictures.person import SKIN as TONES
from partlens.explainer.starter.pictures.pose import Pose

_MIDDLE = 87.5  # height of the head's middle, in hundredths of the figure
_RADII = (8.2, 10.0)
_DARK: Colour = (24, 22, 26)


def draw_back_hair(canvas: Canvas, person: Person, pose: Pose) -> None:
    """Hair behind the shoulders: drawn before the body, or after it in a view from the back."""
    if person.hair != "long":
        return
    colour, label = HAIR[person.hair_colour], LABELS["hair"]
    corners = [(-9.6, 90), (9.6, 90), (11, 68), (6, 65.5), (0, 67), (-6, 65.5), (-11, 68)]
    canvas.polygon([_at(pose, u, v) for u, v in corners], colour, label)
    if pose.view == "back" and person.hat == "none":
        canvas.ellipse(_at(pose, 0, 89), _radii(pose, 9.6, 10), colour, label)


def draw_head(canvas: Canvas, person: Person, pose: Pose) -> None:
    """Everything above the neck except `draw_back_hair`."""
    skin = TONES[person.skin]
    _hair_behind(canvas, person, pose)
    for side in (-1, 1):
        canvas.ellipse(_at(pose, side * 8 - pose.turn, 86.5), _radii(pose, 1.7, 2.5), skin, SKIN)
    canvas.ellipse(_at(pose, 0, _MIDDLE), _radii(pose, *_RADII), skin, LABELS["head"])
    if pose.view == "back":
        if person.hair != "bald":
            covering = _at(pose, 0, 88.8)
            colour = HAIR[person.hair_colour]
            canvas.ellipse(covering, _radii(pose, 8.8, 9.6), colour, LABELS["hair"])
    else:
        _face(canvas, person, pose)
        _fringe(canvas, person, pose)
    _hat(canvas, person, pose)


def _hair_behind(canvas: Canvas, person: Person, pose: Pose) -> None:
    if person.hair == "bald":
        return
    colour, label = HAIR[person.hair_colour], LABELS["hair"]
    if person.hair == "curly":
        for u, v in ((-8, 84), (8, 84), (-9.5, 89), (9.5, 89), (-7.5, 95), (7.5, 95), (0, 97)):
            canvas.ellipse(_at(pose, u, v), _radii(pose, 4.8, 4.8), colour, label)
        return
    if person.hair == "bun" and person.hat == "none":
        canvas.ellipse(_at(pose, -3 * pose.turn, 99.3), _radii(pose, 4.2, 3.6), colour, label)
    sides = 9.2 if person.hair in ("short", "bun") else 10.2
    canvas.ellipse(_at(pose, 0, 90), _radii(pose, sides, 9.2), colour, label)


def _fringe(canvas: Canvas, person: Person, pose: Pose) -> None:
    if person.hair == "bald":
        return
    turn = pose.turn
    corners = [
        (-8.9, 88),
        (-8.4, 93.5),
        (-5, 98),
        (0, 99.2),
        (5, 98),
        (8.4, 93.5),
        (8.9, 88),
        (7 + turn, 91),
        (2 + 3 * turn, 93.4),
        (-4 + 2 * turn, 92),
        (-7 + turn, 91),
    ]
    colour = HAIR[person.hair_colour]
    canvas.polygon([_at(pose, u, v) for u, v in corners], colour, LABELS["hair"])
    if person.hair == "long":
        for side in (-1, 1):
            lock = [(8.2, 93), (10.6, 90), (11, 72), (8, 71), (7.4, 86)]
            places = [_at(pose, side * u, v) for u, v in lock]
            canvas.polygon(places, colour, LABELS["hair"])


def _face(canvas: Canvas, person: Person, pose: Pose) -> None:
    head, shift = LABELS["head"], 2.6 * pose.turn
    skin = TONES[person.skin]
    _beard(canvas, person, pose, shift)
    for side in (-1, 1):
        eye = _at(pose, side * 3.4 + shift, 88.4)
        canvas.ellipse(eye, _radii(pose, 1.5, 1.3), (246, 246, 244), head)
        pupil = _at(pose, side * 3.4 + shift * 1.12, 88.3)
        canvas.ellipse(pupil, _radii(pose, 0.9, 1.1), _DARK, head)
        brow = (_at(pose, side * 2.2 + shift, 91), _at(pose, side * 4.8 + shift, 90.8))
        tone = HAIR.get(person.hair_colour, (70, 52, 42))
        canvas.limb(brow, pose.size(0.7), blend(tone, _DARK, 0.3), head)
    nose = (_at(pose, shift * 1.2, 87), _at(pose, shift * 1.35 + 0.4, 85.2))
    canvas.limb(nose, pose.size(0.9), blend(skin, _DARK, 0.22), head)
    mouth = (_at(pose, shift - 2, 82.2), _at(pose, shift, 81.7), _at(pose, shift + 2, 82.2))
    canvas.limb(mouth, pose.size(0.9), (176, 74, 70), head)
    _glasses(canvas, person, pose, shift)


def _beard(canvas: Canvas, person: Person, pose: Pose, shift: float) -> None:
    if person.beard == "none":
        return
    colour, label = HAIR.get(person.hair_colour, HAIR["brown"]), LABELS["beard"]
    if person.beard == "full":
        jaw = [
            (-8.1, 87),
            (-7.6, 82),
            (-5, 77.6),
            (0, 75.6),
            (5, 77.6),
            (7.6, 82),
            (8.1, 87),
            (6 + shift / 2, 84.2),
            (3 + shift, 84.6),
            (-3 + shift, 84.6),
            (-6 + shift / 2, 84.2),
        ]
        canvas.polygon([_at(pose, u, v) for u, v in jaw], colour, label)
    else:
        lip = [(-4.2, 82.6), (-2.6, 84.8), (0, 84.2), (2.6, 84.8), (4.2, 82.6), (0, 83)]
        canvas.polygon([_at(pose, u + shift, v) for u, v in lip], colour, label)


def _glasses(canvas: Canvas, person: Person, pose: Pose, shift: float) -> None:
    if person.glasses == "none":
        return
    label, frame = LABELS["glasses"], (28, 26, 34)
    ends = (_at(pose, -7.8, 88.8), _at(pose, 7.8, 88.8))
    canvas.limb(ends, pose.size(0.8), frame, label)
    for side in (-1, 1):
        lens = _at(pose, side * 3.7 + shift, 88.2)
        if person.glasses == "sunglasses":
            canvas.ellipse(lens, _radii(pose, 3.5, 2.9), frame, label)
        else:
            canvas.ellipse(lens, _radii(pose, 3.4, 3.2), frame, label, pose.size(0.9))


def _hat(canvas: Canvas, person: Person, pose: Pose) -> None:
    if person.hat == "none":
        return
    colour, label, turn = CLOTH[person.hat_colour], LABELS["hat"], pose.turn
    dark = blend(colour, _DARK, 0.3)
    dome = [(-9.3, 91.5), (-9, 96), (-6, 100.2), (0, 101.6), (6, 100.2), (9, 96), (9.3, 91.5)]
    if person.hat == "brimmed":
        dome = [(-7.6, 92), (-7, 100.5), (-3.5, 102), (0, 101), (3.5, 102), (7, 100.5), (7.6, 92)]
    canvas.polygon([_at(pose, u, v) for u, v in dome], colour, label)
    if person.hat == "beanie":
        band = (_at(pose, -8.6, 92.4), _at(pose, 8.6, 92.4))
        canvas.limb(band, pose.size(3.2), dark, label)
        canvas.ellipse(_at(pose, 0, 102), _radii(pose, 2.6, 2.4), dark, label)
    elif person.hat == "brimmed":
        canvas.ellipse(_at(pose, 0, 92.8), _radii(pose, 14.5, 2.3), colour, label)
        canvas.limb((_at(pose, -7, 95), _at(pose, 7, 95)), pose.size(1.8), dark, label)
    elif pose.view != "back":
        canvas.ellipse(_at(pose, 5 * turn, 92.2), _radii(pose, 8.8, 2.1), dark, label)


def _at(pose: Pose, u: float, v: float) -> Place:
    """As Pose.place, but heads are equally wide for broad and slim people."""
    return pose.place(u / pose.build, v)


def _radii(pose: Pose, across: float, down: float) -> Place:
    return pose.size(across, _MIDDLE), down * pose.unit
