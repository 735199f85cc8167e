import { useElementSize } from "@mantine/hooks";
import { geoEqualEarth, geoGraticule10, geoPath } from "d3-geo";
import { useMemo } from "react";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import land from "world-atlas/land-110m.json";
import { useLocation } from "wouter";
import type { Region } from "../api/client";
import { Mark } from "../parts/Mark";
import { regionLook } from "../state/words";
import { place } from "./labels";
import { project } from "./projection";
import css from "./WorldMap.module.css";

const topology = land as unknown as Topology<{ land: GeometryCollection }>;
const ground = feature(topology, topology.objects.land);
const grid = geoGraticule10();

/** Where the regions are, each drawn with the shape of its state. Everything on it is also in the cards. */
export default function WorldMap({ regions }: { regions: readonly Region[] }) {
  const [, go] = useLocation();
  const { ref, width, height } = useElementSize<HTMLDivElement>();
  const where = JSON.stringify(regions.map((r) => [r.longitude!, r.latitude!]));
  const drawn = useMemo(() => {
    if (width < 40 || height < 40) return null;
    const projection = project(geoEqualEarth(), JSON.parse(where) as [number, number][], width, height);
    const path = geoPath(projection);
    return { land: path(ground) ?? "", grid: path(grid) ?? "", projection };
  }, [where, width, height]);

  const points = drawn
    ? regions.flatMap((region) => {
        const xy = drawn.projection([region.longitude!, region.latitude!]);
        return xy ? [{ region, x: xy[0], y: xy[1] }] : [];
      })
    : [];
  const labels = place(
    points.map((p) => ({ x: p.x, y: p.y, text: p.region.id })),
    width,
    height,
  );
  return (
    <div ref={ref} className={css.frame}>
      {drawn && (
        <svg
          viewBox={`0 0 ${width} ${height}`}
          className={css.map}
          role="img"
          aria-label={`Map: ${regions.map((r) => `${r.id} ${regionLook(r).word.toLowerCase()}`).join(", ")}`}
        >
          <path d={drawn.grid} className={css.grid} />
          <path d={drawn.land} className={css.land} />
          {points.map(({ region: r, x, y }, i) => {
            const look = regionLook(r);
            const label = labels[i]!;
            return (
              <g key={r.id} className={css.point} onClick={() => go(`/regions/${r.id}`)} aria-hidden="true">
                <circle cx={x} cy={y} r={17} fill={`var(--${look.tone})`} opacity="0.2" />
                <g transform={`translate(${x - 10} ${y - 10})`}>
                  <Mark shape={look.shape} tone={look.tone} size={20} />
                </g>
                <text x={label.x} y={label.y} textAnchor={label.anchor} className={css.label}>
                  {r.id}
                </text>
              </g>
            );
          })}
        </svg>
      )}
    </div>
  );
}
