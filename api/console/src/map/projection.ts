import { geoPath, type GeoProjection } from "d3-geo";

// A fleet of three regions needs no picture of the Pacific: the map shows the
// part of the world that the regions span, but never so close that the outline
// of the land says nothing any more, and never with empty sky where there could
// be land.

const closest = 3; // times the scale at which the whole world is in view

export function project(projection: GeoProjection, places: readonly [number, number][], width: number, height: number): GeoProjection {
  projection.fitExtent(
    [
      [0, 0],
      [width, height],
    ],
    { type: "Sphere" },
  );
  const world = projection.scale();
  const side = Math.min(96, width * 0.2); // room for labels
  const top = Math.min(64, height * 0.2);
  projection.fitExtent(
    [
      [side, top],
      [width - side, height - top],
    ],
    { type: "MultiPoint", coordinates: places as [number, number][] },
  );
  const middle = projection.invert?.([width / 2, height / 2]) ?? [0, 20];
  projection.scale(Math.max(world, Math.min(projection.scale(), world * closest)));
  shift(projection, [width / 2, height / 2], projection(middle) ?? [width / 2, height / 2]);

  const [[left, upper], [right, lower]] = geoPath(projection).bounds({ type: "Sphere" });
  shift(projection, [settle(left, right, width), settle(upper, lower, height)], [0, 0]);
  return projection;
}

/** How far to move a strip from..to so that it covers 0..size, or stands in its middle if it is too short. */
function settle(from: number, to: number, size: number): number {
  if (to - from <= size) return size / 2 - (from + to) / 2;
  if (from > 0) return -from;
  if (to < size) return size - to;
  return 0;
}

function shift(projection: GeoProjection, to: readonly [number, number], from: readonly [number, number]) {
  const [x, y] = projection.translate();
  projection.translate([x + to[0] - from[0], y + to[1] - from[1]]);
}
