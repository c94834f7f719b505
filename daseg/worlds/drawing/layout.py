"""Furnish a street: houses and gardens along it, traffic and people on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from daseg.worlds.drawing import buildings, furniture, nature, people, vehicles
from daseg.worlds.drawing.bodywork import varied_car
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.ground import KERB, Street
from daseg.worlds.drawing.looks import Look, Rng
from daseg.worlds.drawing.solids import Place


def _draw_car(rng: Rng, look: Look) -> vehicles.Vehicle:
    varied = look.is_varied and rng.random() < 0.75
    return varied_car(rng, look) if varied else vehicles.car(rng, look)


MAKERS = dict(car=_draw_car, truck=vehicles.truck, bus=vehicles.bus, train=vehicles.tram)
Paint = Callable[[Canvas, Rng], None]


@dataclass
class Scene:
    """A street to be painted; painters come with the nearest z, shadows are polygons (V, 3)."""

    street: Street
    look: Look
    feature: str  # the rare thing that this scene must hold
    rows: list[tuple[float, Paint]] = field(default_factory=list)  # what lines the street
    items: list[tuple[float, Paint]] = field(default_factory=list)  # what stands on it
    shadows: list[np.ndarray] = field(default_factory=list)  # in the shade of the sun
    contacts: list[np.ndarray] = field(default_factory=list)  # under vehicles, dark in any light

    def add(self, paint: Callable[..., None], place: Place) -> None:
        """Let a thing stand on sidewalk or road."""
        self.items.append((place.z, partial(paint, place=place)))

    def cast(self, x: float, z: float, half: float, height: float) -> None:
        """Let something ``2 * half`` wide and ``height`` high at (x, z) cast a shadow."""
        away, far = -self.look.sun * height * 0.9, z + 0.35 * height
        near = [[x - half, 0, z], [x + half, 0, z]]
        self.shadows.append(np.array([*near, [x + half + away, 0, far], [x - half + away, 0, far]]))


def furnish(scene: Scene, rng: Rng) -> None:
    """Put everything in its place."""
    special = float(rng.choice([-1, 1])) if scene.feature in ("wall", "fence") else 0.0
    for side in (-1.0, 1.0):
        _line_street(scene, rng, side, scene.feature if side == special else None)
        _add_furniture(scene, rng, side)
        _add_people(scene, rng, side)
        _add_parked(scene, rng, side)
        if scene.look.is_varied and rng.random() < 0.35:
            _add_railing(scene, rng, side)
    _add_signals(scene, rng)
    _add_traffic(scene, rng)


def _line_street(scene: Scene, rng: Rng, side: float, feature: str | None) -> None:
    """Houses and gardens one after the other, with a gap for the side street."""
    z, street = rng.uniform(-12, 0), scene.street
    while z < 140:
        game = scene.look.is_game
        end = z + (rng.uniform(9, 26) if game else rng.uniform(10, 22))
        if street.junction and z < street.junction[1] and end > street.junction[0]:
            end = street.junction[0]
            if end - z < 4:
                z = street.junction[1]
                continue
        wanted = feature if z < 24 and end > 6 else None
        if wanted or rng.random() < (0.32 if game else 0.36):
            _add_garden(scene, rng, side, z, end, wanted)
        else:
            _add_house(scene, rng, side, z, end)
        z = end + (rng.uniform(0, 5) if game else rng.choice([0.0, 0.0, 3.0]))


def _add_house(scene: Scene, rng: Rng, side: float, z: float, end: float) -> None:
    setback = scene.street.verge + (rng.uniform(0, 2) if scene.look.is_game else 0)
    x = side * (scene.street.edge + setback)
    house = buildings.draw_house(rng, scene.look, x, z, end)
    scene.rows.append((z, partial(buildings.paint_house, house=house)))
    away = -scene.look.sun * house.height * 0.9
    if away * side < 0:
        reach = [[x, 0, z], [x, 0, end], [x + away, 0, end + 3], [x + away, 0, z + 3]]
        scene.shadows.append(np.array(reach))


def _add_garden(
    scene: Scene, rng: Rng, side: float, z: float, end: float, wanted: str | None
) -> None:
    """Open ground with trees, often behind a wall, a fence or a hedge."""
    x = side * (scene.street.edge + 0.1)
    for _ in range(rng.integers(2, 7)):
        place = Place(x + side * rng.uniform(2.5, 16), rng.uniform(z, end), y=KERB)
        if place.z > 5:
            paint = nature.paint_tree if rng.random() < 0.7 else nature.paint_bush
            scene.rows.append((place.z, partial(paint, place=place)))
    shares = [0.15, 0.5, 0.2, 0.15] if scene.look.is_varied else [0.18, 0.26, 0.26, 0.3]
    kind = wanted or rng.choice(["wall", "fence", "hedge", "open"], p=shares)
    painters: dict[str, Callable[..., None]] = dict(
        wall=buildings.paint_wall, fence=buildings.paint_fence, hedge=nature.paint_hedge
    )
    if scene.look.is_varied and rng.random() < 0.7:
        railing = buildings.draw_railing(rng, scene.look)
        painters["fence"] = partial(buildings.paint_railing, railing=railing)
    if kind != "open":
        options = dict(height=rng.uniform(0.9, 2.2)) if kind == "hedge" else {}
        scene.rows.append((z, partial(painters[kind], x=x, start=z, end=end, **options)))


def _add_furniture(scene: Scene, rng: Rng, side: float) -> None:
    """Lamps, poles, signs, street trees and bins along the kerb."""
    street = scene.street
    x = side * (street.kerb + 0.55)
    spacing = rng.uniform(18, 30)
    kinds = (furniture.paint_sign, furniture.paint_pole, furniture.paint_bin)
    trees = rng.random() < (0.4 if scene.look.is_game else 0.65)
    for z in np.arange(rng.uniform(5, spacing), 110, spacing):
        if not street.blocked(z):
            scene.add(furniture.paint_lamp, Place(x, z, y=KERB))
            scene.cast(x, z, 0.1, 7)
    for z in np.arange(rng.uniform(5, 12), 80, rng.uniform(9, 16)):
        spot = z + rng.uniform(-3, 3)
        if street.blocked(spot):
            continue
        if trees and rng.random() < 0.6:
            scene.add(nature.paint_tree, Place(x + 0.3 * side, spot + 3, y=KERB))
            scene.cast(x, spot + 3, 1.8, 7)
        if rng.random() < 0.55:
            kind = kinds[rng.choice(3, p=[0.55, 0.3, 0.15])]
            scene.add(kind, Place(x, max(spot, 4.5), y=KERB))


def _add_railing(scene: Scene, rng: Rng, side: float) -> None:
    """A railing between the sidewalk and the road, or between the sidewalk and the houses."""
    street, railing = scene.street, buildings.draw_railing(rng, scene.look)
    x = side * (street.kerb + 0.3 if rng.random() < 0.4 else street.edge - 0.1)
    start, length = rng.uniform(2, 25), rng.uniform(4, 25)
    if street.blocked(start, length):
        return
    for z in np.arange(start, start + length, 2.5):  # in pieces, of which each hides what is behind
        end = float(z) + 2.5
        paint = partial(buildings.paint_railing, railing=railing, x=x, start=z, end=end, y=KERB)
        scene.items.append((float(z), paint))


def _add_people(scene: Scene, rng: Rng, side: float) -> None:
    """People on the sidewalk, bicycles leaning about."""
    # The varied game has as many people as the city.
    street, game = scene.street, scene.look.is_game and not scene.look.is_varied
    for _ in range(rng.poisson(1.3 if game else 4.2)):
        z = rng.uniform(5, 14) if rng.random() < 0.3 else rng.uniform(8, 55)
        place = Place(side * rng.uniform(street.kerb + 0.4, street.edge - 0.3), z, y=KERB)
        scene.add(people.paint_person, place)
        scene.cast(place.x, z, 0.25, 1.7)
        if rng.random() < 0.3:
            scene.add(people.paint_person, Place(place.x + 0.55, z + 0.2, y=KERB))
    count = rng.poisson(0.12 if game else 0.7) + (2 if scene.feature == "bicycle" else 0)
    for _ in range(count):
        z, heading = rng.uniform(6, 22), rng.choice([0.0, 1.2, 1.57, 2.0])
        x = side * rng.uniform(street.kerb + 0.6, street.edge - 0.6)
        scene.add(people.paint_bicycle, Place(x, z, heading, KERB))


def _add_parked(scene: Scene, rng: Rng, side: float) -> None:
    street = scene.street
    if not street.parking:
        return
    share = rng.uniform(0.2, 0.6) if scene.look.is_game else rng.uniform(0.2, 0.8)
    for z in np.arange(rng.uniform(2.5, 7), 90, 6.0):
        if rng.random() < share and not street.blocked(z + 2, 4):
            model = _draw_car(rng, scene.look)
            turned = side < 0 and rng.random() < 0.8
            _add_vehicle(scene, model, side * (street.half + 0.5 * street.parking), z, turned)


def _add_vehicle(scene: Scene, model: vehicles.Vehicle, x: float, z: float, turned: bool) -> None:
    """Put a vehicle with its nearest end at ``z``; ``turned`` looks towards the camera."""
    place = Place(x, z + model.length, np.pi) if turned else Place(x, z)
    scene.items.append((z, lambda canvas, rng: model.paint(canvas, place)))
    scene.contacts.append(model.footprint(place))
    height = max(box.high[1] for box in model.boxes)
    away = -scene.look.sun * height * 0.9
    rim = model.footprint(place)
    scene.shadows.append(np.concatenate([rim, rim + [away, 0, 0.3 * height]]))


def _add_signals(scene: Scene, rng: Rng) -> None:
    """Traffic lights and people at the crossing."""
    street = scene.street
    if street.junction is None:
        return
    if rng.random() < 0.75:
        for side in (-1.0, 1.0):
            for z in (street.junction[0] - 0.8, street.junction[1] + 0.8):
                if rng.random() < 0.8:
                    place = Place(side * (street.kerb + 0.4), z, y=KERB)
                    scene.add(furniture.paint_traffic_light, place)
    for _ in range(rng.poisson(0.5 if scene.look.is_game else 0.9)):
        z = street.junction[0] - rng.uniform(1, 3.2)
        scene.add(people.paint_person, Place(rng.uniform(-0.9, 0.9) * street.half, z))


def _add_traffic(scene: Scene, rng: Rng) -> None:
    """Vehicles lane by lane, then riders at the road's edge."""
    street = scene.street
    rare_lane = -1
    if scene.feature in ("bus", "truck", "train"):
        rare_lane = int(rng.integers(2 * street.lanes))
    if scene.feature == "train":
        rare_lane = street.lanes - 1 if rng.random() < 0.6 else street.lanes
    for lane in range(2 * street.lanes):
        x = (lane - street.lanes + 0.5) * street.lane
        z = rng.uniform(8, 32) if x > 0 else rng.uniform(4, 18)
        if scene.look.is_varied and lane != rare_lane:
            z *= rng.uniform(1, 4)  # less traffic
        while z < 110:
            kind = scene.feature
            if lane != rare_lane:
                kind = str(rng.choice(["car", "truck", "bus"], p=[0.95, 0.035, 0.015]))
            rare_lane = -1 if lane == rare_lane else rare_lane
            model = MAKERS[kind](rng, scene.look)
            _add_vehicle(scene, model, x + rng.normal(0, 0.15), z, x < 0)
            z += model.length + rng.uniform(6, 60)
    _add_riders(scene, rng)


def _add_riders(scene: Scene, rng: Rng) -> None:
    """Cyclists at the edge of the road and motorcycles, ridden or parked at the kerb."""
    street, game = scene.street, scene.look.is_game
    wanted = int(scene.feature in ("rider", "motor_rider"))
    often = 1.0 if scene.look.is_varied else 0.08 if game else 0.3
    for number in range(wanted + rng.poisson(often)):
        side = float(rng.choice([-1, 1]))
        motor = scene.feature == "motor_rider" if number < wanted else rng.random() < 0.25
        x = side * (street.half - rng.uniform(0.4, 0.9))
        heading = (0.0 if side > 0 else np.pi) + rng.normal(0, 0.15)
        z = rng.uniform(6, 15) if number < wanted else rng.uniform(8, 40)
        if rng.random() < 0.25:
            x, heading = rng.uniform(-0.5, 0.9) * street.half, side * 1.5
        scene.add(partial(people.paint_rider, motor=motor), Place(x, z, heading))
    for _ in range(rng.poisson(0.06) + 2 * (scene.feature == "motorcycle")):
        side = float(rng.choice([-1, 1]))
        place = Place(side * (street.half - 0.5), rng.uniform(6, 16), side * rng.uniform(0.3, 1.5))
        scene.add(people.paint_motorcycle, place)
