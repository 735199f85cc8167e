import { geoEqualEarth } from "d3-geo";
import { expect, test } from "vitest";
import { place } from "./labels";
import { project } from "./projection";

test.each([
  ["three continents", [[-77, 39], [9, 50], [73, 19]]],
  ["two neighbours in one country", [[8.7, 50.1], [8.5, 50.2]]],
  ["all around the world", [[-122, 37], [151, -34], [9, 50], [-46, -23]]],
] as [string, [number, number][]][])("%s are all inside the picture", (_name, places) => {
  for (const [w, h] of [[690, 640], [358, 152], [1220, 520]] as const) {
    const projection = project(geoEqualEarth(), places, w, h);
    for (const p of places) {
      const [x, y] = projection(p)!;
      expect(x).toBeGreaterThan(8);
      expect(x).toBeLessThan(w - 8);
      expect(y).toBeGreaterThan(8);
      expect(y).toBeLessThan(h - 8);
    }
  }
});

test("labels of close neighbours do not cover each other", () => {
  const points = [
    { x: 300, y: 200, text: "eu-west-1" },
    { x: 306, y: 204, text: "europe-west1" },
    { x: 318, y: 196, text: "eu-central-1" },
  ];
  const labels = place(points, 900, 400);
  const boxes = labels.map((l, i) => {
    const w = points[i]!.text.length * 8;
    const left = l.anchor === "start" ? l.x : l.anchor === "end" ? l.x - w : l.x - w / 2;
    return { left, right: left + w, top: l.y - 14, bottom: l.y + 4 };
  });
  boxes.forEach((a, i) =>
    boxes.slice(i + 1).forEach((b) => {
      expect(a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).toBe(false);
    }),
  );
});

test("a label at the edge stays inside", () => {
  const [label] = place([{ x: 890, y: 200, text: "ap-southeast-2" }], 900, 400);
  expect(label!.anchor).toBe("end");
});
