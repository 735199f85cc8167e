// Labels on a map must not cover each other or another region's mark: each one
// takes the first place around its point that is still free.

export interface Point {
  x: number;
  y: number;
  text: string;
}

export interface Label {
  x: number;
  y: number;
  anchor: "start" | "end" | "middle";
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const glyph = 8.4; // width of a letter at the label's size, a little generous
const line = 18;
const mark = 13; // half a mark's side

export function place(points: readonly Point[], width: number, height: number): Label[] {
  const taken: Box[] = points.map(({ x, y }) => ({ left: x - mark, right: x + mark, top: y - mark, bottom: y + mark }));
  return points.map((p, own) => {
    const w = p.text.length * glyph;
    const spots: Label[] = [
      { x: p.x + 20, y: p.y + 5, anchor: "start" },
      { x: p.x - 20, y: p.y + 5, anchor: "end" },
      { x: p.x, y: p.y - 20, anchor: "middle" },
      { x: p.x, y: p.y + 31, anchor: "middle" },
      { x: p.x + 14, y: p.y - 16, anchor: "start" },
      { x: p.x + 14, y: p.y + 27, anchor: "start" },
      { x: p.x - 14, y: p.y - 16, anchor: "end" },
      { x: p.x - 14, y: p.y + 27, anchor: "end" },
    ];
    const free = spots.find((spot) => {
      const b = box(spot, w);
      const inside = b.left >= 2 && b.right <= width - 2 && b.top >= 2 && b.bottom <= height - 2;
      return inside && taken.every((t, i) => i === own || !overlap(b, t));
    });
    const spot = free ?? spots[0]!;
    taken.push(box(spot, w));
    return spot;
  });
}

function box({ x, y, anchor }: Label, w: number): Box {
  const left = anchor === "start" ? x : anchor === "end" ? x - w : x - w / 2;
  return { left, right: left + w, top: y - line + 4, bottom: y + 4 };
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
