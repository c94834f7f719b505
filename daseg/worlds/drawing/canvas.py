"""The camera and the canvas: image and label are one array, so they agree to the pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from daseg.worlds.drawing.looks import Colour, Look

NEAR = 1.2  # metres; what is nearer is clipped along the street's direction
FAR = 160.0
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Camera:
    """A pinhole camera looking down the street.

    World axes in metres: x to the right of the road's centre line, y up from the road, z ahead of
    the camera. Yaw and pitch are small and are expressed by where the vanishing point lies.
    """

    width: int  # of the canvas, pixels
    height: int
    focal: float  # pixels
    centre: float  # column of the vanishing point
    horizon: float  # row of the vanishing point
    x: float  # the camera's place across the road, metres
    y: float  # its height over the road, metres
    bend: float  # of the street: a point at distance z moves by bend * z**2 metres
    roll: float  # tilt, rows per column

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) to int32 canvas pixels (..., 2)."""
        z = np.maximum(points[..., 2], NEAR)
        pixels = np.empty((*z.shape, 2))
        column = self.focal * ((points[..., 0] - self.x) / z + self.bend * z)
        pixels[..., 0] = column + self.centre
        pixels[..., 1] = self.horizon + self.focal * (self.y - points[..., 1]) / z
        pixels[..., 1] += self.roll * column
        np.rint(pixels, out=pixels)
        return np.minimum(np.maximum(pixels, -30000), 30000).astype(np.int32)

    def sees(self, x: float, z: float, reach: float) -> bool:
        """Whether something that reaches ``reach`` metres about (x, z) can be in the picture."""
        z = max(z, NEAR)
        column = self.centre + self.focal * ((x - self.x) / z + self.bend * z)
        margin = self.focal * reach / z
        return -margin < column < self.width + margin

    def pixels(self, metres: float, depth: float) -> float:
        """Length on the canvas of ``metres`` at ``depth`` metres."""
        return self.focal * metres / max(depth, NEAR)


class Canvas:
    """Paints world shapes, image and label at once, without anti-aliasing.

    ``data`` is (H, W, 4) uint8: red, green, blue, label id, at `SUPERSAMPLING` times the size of
    the final picture; averaging it down is what smooths the image's edges.
    """

    def __init__(self, camera: Camera, look: Look) -> None:
        self.camera = camera
        self.look = look
        self.data = np.zeros((camera.height, camera.width, 4), np.uint8)

    def fill(self, points: np.ndarray, colour: Colour, label: int, *, gain: float = 1.0) -> None:
        """Fill a polygon (V, 3), or disjoint ones (P, V, 3), evenly in one colour."""
        if not len(points):
            return
        pixels = self.camera.project(points)
        outline = points if points.ndim == 2 else points[len(points) // 2]
        depth = max(0.0, 0.5 * float(outline[0, 2] + outline[len(outline) // 2, 2]))
        shapes = [pixels] if pixels.ndim == 2 else list(pixels)
        cv2.fillPoly(self.data, shapes, (*self.look.lit(colour, depth, gain), label))

    def fill_pixels(
        self, pixels: np.ndarray, colour: Colour, label: int, depth: float, gain: float
    ) -> None:
        """Fill a convex polygon of canvas pixels (V, 2) int32 that lies at ``depth`` metres."""
        cv2.fillConvexPoly(self.data, pixels, (*self.look.lit(colour, depth, gain), label))

    def line(self, points: np.ndarray, width: float, colour: Colour, label: int) -> None:
        """Draw a polyline (V, 3) that is ``width`` metres thick, at least one pixel."""
        points = np.asarray(points, dtype=np.float64)
        depth = float(points[0, 2] + points[-1, 2]) / 2
        thickness = max(1, round(self.camera.pixels(width, depth)))
        paint = (*self.look.lit(colour, depth), label)
        cv2.polylines(self.data, [self.camera.project(points)], False, paint, thickness)

    def disc(
        self, at: np.ndarray, radius: float, colour: Colour, label: int, *, tall: float = 1.0
    ) -> None:
        """Draw a disc (or an ellipse ``tall`` times as high) that faces the camera."""
        column, row = self.camera.project(np.asarray(at, dtype=np.float64)).tolist()
        size = self.camera.pixels(radius, float(at[2]))
        axes = (max(1, round(size)), max(1, round(size * tall)))
        paint = (*self.look.lit(colour, float(at[2])), label)
        cv2.ellipse(self.data, (column, row), axes, 0, 0, 360, paint, -1)

    def tag(self, points: np.ndarray, label: int) -> None:
        """Label a polygon (V, 3) and leave its colours: things one can see through."""
        pixels = self.camera.project(np.asarray(points, dtype=np.float64))
        left, top = np.clip(pixels.min(0), 0, None).tolist()
        right, bottom = (pixels.max(0) + 1).tolist()
        view = self.data[top : max(bottom, 0), left : max(right, 0)]
        colours = view[..., :3].copy()
        cv2.fillPoly(self.data, [pixels], (0, 0, 0, label))
        view[..., :3] = colours

    def shadow(self, shapes: list[np.ndarray], strength: float, softness: float) -> None:
        """Darken what is painted so far inside ground polygons (V, 3); labels stay."""
        top = min(max(0, int(self.camera.horizon) - 20), self.camera.height - 1)
        ground = self.data[top:]
        mask = np.zeros(ground.shape[:2], np.uint8)
        for shape in shapes:
            hull = cv2.convexHull(self.camera.project(shape)) - np.array([0, top], np.int32)
            cv2.fillConvexPoly(mask, hull, 255)
        size = 2 * round(softness * self.camera.width / 256) + 1
        mask = cv2.blur(mask, (size, max(1, size // 2 * 2 - 1)))
        gain = cv2.convertScaleAbs(mask, alpha=-strength, beta=255)
        gains = cv2.merge([gain, gain, gain, np.full_like(gain, 255)])  # the label stays
        cv2.multiply(ground, gains, dst=ground, scale=1 / 255)
