"""The pose of a person in one picture."""

from dataclasses import dataclass

from numpy.random import Generator

from partlens.explainer.starter.pictures.canvas import Place

VIEWS = {"front": 0.46, "left": 0.21, "right": 0.21, "back": 0.12}


@dataclass(frozen=True)
class Pose:
    """Place, direction and stride of the figure.

    Lengths are in pixels of the picture; within the figure they are in hundredths of its height,
    u to the right of its middle, v upwards from the ground.

    Attributes:
        view: front, left, right or back.
        ground: where the figure's middle meets the ground.
        unit: pixels per hundredth of the figure's height.
        build: relative breadth; 1 is average.
        stride: how far the left foot is ahead, -1..1.
        swing: how far the left hand is ahead, -1..1.
        tilt: how much larger the head appears than the feet; positive for a camera above.
        lean: how far the head is to the right of the feet.
    """

    view: str
    ground: Place
    unit: float
    build: float
    stride: float
    swing: float
    tilt: float
    lean: float

    def place(self, u: float, v: float) -> Place:
        """A point of the figure in pixels of the picture."""
        across = self.unit * (1 + self.tilt * (v / 100 - 0.5))
        x = self.ground[0] + u * self.build * across + self.lean * self.unit * v / 100
        return x, self.ground[1] - v * self.unit

    def size(self, length: float, v: float = 50) -> float:
        """A length of the figure at height v, in pixels of the picture."""
        return length * self.unit * (1 + self.tilt * (v / 100 - 0.5))

    @property
    def turn(self) -> float:
        """Direction of the face: -1 left, 0 straight, 1 right."""
        return {"left": -1.0, "right": 1.0}.get(self.view, 0.0)


def sample_pose(rng: Generator, width: int, height: int, tilt: float) -> Pose:
    """A random pose that keeps the whole figure inside a picture of this size."""
    tall = height * rng.uniform(0.82, 0.94)
    stride = float(rng.uniform(-1, 1))
    return Pose(
        view=str(rng.choice(list(VIEWS), p=list(VIEWS.values()))),
        ground=(width * rng.uniform(0.46, 0.54), height * rng.uniform(0.965, 0.985)),
        unit=tall / 100,
        build=rng.uniform(0.9, 1.12),
        stride=stride,
        swing=-stride + rng.uniform(-0.5, 0.5),
        tilt=tilt,
        lean=rng.uniform(-2, 2),
    )
