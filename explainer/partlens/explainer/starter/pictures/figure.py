"""Draws a person's body and clothes, from back to front."""

import numpy as np

from partlens.explainer.starter.pictures.canvas import LABELS, SKIN, Canvas, Place, blend
from partlens.explainer.starter.pictures.face import draw_back_hair, draw_head
from partlens.explainer.starter.pictures.person import CLOTH, Colour, Person
from partlens.explainer.starter.pictures.person import SKIN as TONES
from partlens.explainer.starter.pictures.pose import Pose

_DARK: Colour = (20, 20, 28)


def draw_person(canvas: Canvas, person: Person, pose: Pose) -> None:
    """Draw the whole person."""
    back = pose.view == "back"
    if not back:
        draw_back_hair(canvas, person, pose)
        if person.bag == "backpack":
            _backpack(canvas, person, pose)
    for side in (-1, 1) if pose.stride > 0 else (1, -1):
        _leg(canvas, person, pose, side)
    if person.legwear == "skirt":
        _skirt(canvas, person, pose)
    _arm(canvas, person, pose, -1 if pose.swing > 0 else 1)
    _torso(canvas, person, pose)
    _pattern(canvas, person, pose)
    if person.bag == "backpack":
        _straps(canvas, person, pose)
    if person.bag == "shoulder bag":
        _shoulder_bag(canvas, person, pose)
    _arm(canvas, person, pose, 1 if pose.swing > 0 else -1)
    draw_head(canvas, person, pose)
    if back:
        draw_back_hair(canvas, person, pose)
        if person.bag == "backpack":
            _backpack(canvas, person, pose)


def _leg(canvas: Canvas, person: Person, pose: Pose, side: int) -> None:
    ahead = pose.stride * side
    hip, knee = pose.place(side * 5, 46), pose.place(side * 5.6 + 2.2 * ahead, 25 + abs(ahead))
    lift = max(0.0, -ahead) * 3
    foot = pose.place(side * 6 + 5 * ahead, 4 + lift)
    skin, cloth = TONES[person.skin], CLOTH[person.legwear_colour]
    canvas.limb((hip, knee, foot), pose.size(6.4), skin, SKIN)
    if person.legwear == "trousers":
        canvas.limb((hip, knee), pose.size(9.6), cloth, LABELS["legwear"])
        canvas.limb((knee, foot), pose.size(8.2), cloth, LABELS["legwear"])
    elif person.legwear == "shorts":
        end = pose.place(side * 5.6 + 2 * ahead, 29)
        canvas.limb((hip, end), pose.size(10.4), cloth, LABELS["legwear"])
    _shoe(canvas, person, pose, foot, side)


def _shoe(canvas: Canvas, person: Person, pose: Pose, foot: Place, side: int) -> None:
    colour, (x, y), size = CLOTH[person.shoes_colour], foot, pose.size(1)
    point = pose.turn * 2.4 or side * 0.7
    if person.shoes == "boots":
        shaft = pose.place(0, 12)[1] - pose.place(0, 2)[1]
        canvas.limb(((x, y + shaft), (x, y)), 8.4 * size, colour, LABELS["shoes"])
    toe = (x + point * size, y + 0.6 * size)
    canvas.ellipse(toe, (5.6 * size, 3.6 * size), colour, LABELS["shoes"])
    sole = [
        (toe[0] + u * size, toe[1] + v * size) for u, v in ((-5, 2), (5, 2), (5, 3.6), (-5, 3.6))
    ]
    canvas.polygon(sole, blend(colour, _DARK, 0.45), LABELS["shoes"])


def _skirt(canvas: Canvas, person: Person, pose: Pose) -> None:
    corners = [
        pose.place(u, v) for u, v in ((-10, 48), (10, 48), (15.5, 24), (0, 22.5), (-15.5, 24))
    ]
    colour = CLOTH[person.legwear_colour]
    canvas.polygon(corners, colour, LABELS["legwear"])
    for u in (-5, 0, 5):
        fold = (pose.place(u * 0.9, 40), pose.place(u * 1.5, 25))
        canvas.limb(fold, pose.size(0.6), blend(colour, _DARK, 0.25), LABELS["legwear"])


def _arm(canvas: Canvas, person: Person, pose: Pose, side: int) -> None:
    ahead = pose.swing * side
    shoulder, elbow = pose.place(side * 12.5, 72), pose.place(side * (16.5 - abs(ahead)), 58)
    hand = pose.place(side * 16.5 + 3 * ahead, 45 + 2.5 * abs(ahead))
    skin, sleeve = TONES[person.skin], blend(CLOTH[person.top_colour], _DARK, 0.1)
    canvas.limb((shoulder, elbow, hand), pose.size(5.2), skin, SKIN)
    if person.top == "long sleeves":
        wrist = (hand[0] + (elbow[0] - hand[0]) * 0.22, hand[1] + (elbow[1] - hand[1]) * 0.22)
        canvas.limb((shoulder, elbow, wrist), pose.size(7), sleeve, LABELS["top"])
    else:
        end = (
            shoulder[0] + (elbow[0] - shoulder[0]) * 0.55,
            shoulder[1] + (elbow[1] - shoulder[1]) * 0.55,
        )
        canvas.limb((shoulder, end), pose.size(7.6), sleeve, LABELS["top"])
    canvas.ellipse(hand, (pose.size(3), pose.size(3.2)), skin, SKIN)
    # The handbag hangs on the right arm, whichever way the person is turned.
    if person.bag == "handbag" and side == (-1 if pose.view == "back" else 1):
        _handbag(canvas, person, pose, hand)


def _torso(canvas: Canvas, person: Person, pose: Pose) -> None:
    skin = blend(TONES[person.skin], _DARK, 0.12)
    canvas.limb((pose.place(0, 80), pose.place(0, 73)), pose.size(6.5, 76), skin, SKIN)
    outline = (
        (-5, 76.5),
        (5, 76.5),
        (13.5, 73.5),
        (12, 62),
        (10.6, 44),
        (-10.6, 44),
        (-12, 62),
        (-13.5, 73.5),
    )
    corners = [pose.place(u, v) for u, v in outline]
    canvas.polygon(corners, CLOTH[person.top_colour], LABELS["top"])
    if pose.view != "back":
        canvas.ellipse(pose.place(pose.turn, 76.8), (pose.size(4), pose.size(2.6)), skin, SKIN)


def _pattern(canvas: Canvas, person: Person, pose: Pose) -> None:
    """Stripes, checks or dots on the visible top so far: the torso and the far sleeve."""
    if person.pattern == "plain":
        return
    labels = canvas.label_map()
    left, top = pose.place(0, 75)
    step = canvas.scale * pose.unit
    down = (np.arange(labels.shape[0])[:, None] / step - top / pose.unit).astype(np.float32)
    across = (np.arange(labels.shape[1])[None, :] / step - left / pose.unit).astype(np.float32)
    if person.pattern == "stripes":
        inked = (down % 6.4 < 3.2) & (across < np.inf)
    elif person.pattern == "checks":
        inked = (down % 9 < 4.5) ^ (across % 9 < 4.5)
    else:
        shifted = across + 3.5 * (down // 7 % 2)
        inked = (down % 7 - 3.5) ** 2 + (shifted % 7 - 3.5) ** 2 < 4.8
    canvas.tint(inked & (labels == LABELS["top"]), CLOTH[person.pattern_colour])


def _backpack(canvas: Canvas, person: Person, pose: Pose) -> None:
    colour = CLOTH[person.bag_colour]
    shift = -7 * pose.turn
    half = 11 if pose.view == "back" else 13.5
    body = [
        (-half + 2, 76),
        (half - 2, 76),
        (half, 72),
        (half, 52),
        (half - 3, 49),
        (-half + 3, 49),
        (-half, 52),
        (-half, 72),
    ]
    canvas.polygon([pose.place(u + shift, v) for u, v in body], colour, LABELS["bag"])
    if pose.view == "back":
        dark = blend(colour, _DARK, 0.3)
        pocket = [(-7.5, 62), (7.5, 62), (7.5, 52), (-7.5, 52)]
        canvas.polygon([pose.place(u, v) for u, v in pocket], dark, LABELS["bag"])


def _straps(canvas: Canvas, person: Person, pose: Pose) -> None:
    if pose.view == "back":
        return
    for side in (-1, 1):
        u = side * 8.2 + pose.turn
        strap = (pose.place(u * 0.9, 76), pose.place(u, 66), pose.place(u * 1.2, 54))
        canvas.limb(strap, pose.size(3.4), CLOTH[person.bag_colour], LABELS["bag"])


def _shoulder_bag(canvas: Canvas, person: Person, pose: Pose) -> None:
    colour = CLOTH[person.bag_colour]
    side = 1 if pose.view == "back" else -1
    strap = (pose.place(-8 * side, 76), pose.place(9 * side, 48))
    canvas.limb(strap, pose.size(2.4), blend(colour, _DARK, 0.25), LABELS["bag"])
    corners = [pose.place(side * u, v) for u, v in ((4, 50), (17, 50), (17.5, 37), (3.5, 37))]
    canvas.polygon(corners, colour, LABELS["bag"])
    flap = [pose.place(side * u, v) for u, v in ((4, 50), (17, 50), (16, 44.5), (5, 44.5))]
    canvas.polygon(flap, blend(colour, _DARK, 0.22), LABELS["bag"])


def _handbag(canvas: Canvas, person: Person, pose: Pose, hand: Place) -> None:
    colour, size, (x, y) = CLOTH[person.bag_colour], pose.size(1), hand
    grip = (x, y + 4 * size)
    canvas.ellipse(
        grip, (4 * size, 5.5 * size), blend(colour, _DARK, 0.3), LABELS["bag"], 1.2 * size
    )
    corners = ((-5.5, 7), (5.5, 7), (7, 18), (-7, 18))
    canvas.polygon([(x + u * size, y + v * size) for u, v in corners], colour, LABELS["bag"])
