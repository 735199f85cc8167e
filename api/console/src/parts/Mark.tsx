// Mark draws a state as a shape, so that it can be read without colour: from
// across the room, in print, and by people who do not see red and green apart.

export type Tone = "up" | "degraded" | "down" | "unknown" | "moving";

export type Shape =
  | "up" // disc with a tick
  | "degraded" // triangle with a bang
  | "down" // octagon with a cross
  | "unknown" // broken ring
  | "out" // ring with an arrow leaving
  | "held" // square with two bars
  | "waiting" // hourglass-like diamond: a person is needed
  | "running" // ring with a moving part
  | "pending" // empty ring
  | "skipped" // ring with a stroke through
  | "undone"; // arrow that turns back

const octagon = "M5.6 1.5h4.8l3.1 3.1v4.8l-3.1 3.1H5.6l-3.1-3.1V4.6z";

export function Mark({ shape, tone, size = 16 }: { shape: Shape; tone: Tone; size?: number }) {
  const color = `var(--${tone})`;
  const line = { fill: "none", stroke: color, strokeWidth: 1.7, strokeLinecap: "round", strokeLinejoin: "round" } as const;
  const cut = { fill: "none", stroke: "var(--paper)", strokeWidth: 1.8, strokeLinecap: "round", strokeLinejoin: "round" } as const;
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" style={{ flex: "none", display: "block" }}>
      {shape === "up" && (
        <>
          <circle cx="8" cy="8" r="6.6" fill={color} />
          <path d="m5.2 8.2 2 2 3.7-4.2" {...cut} />
        </>
      )}
      {shape === "degraded" && (
        <>
          <path d="M8 1.6 15 14H1z" fill={color} stroke={color} strokeWidth="1.2" strokeLinejoin="round" />
          <path d="M8 6.2v3.6M8 11.9v.1" {...cut} />
        </>
      )}
      {shape === "down" && (
        <g transform="translate(0 1)">
          <path d={octagon} fill={color} stroke={color} strokeWidth="1" strokeLinejoin="round" />
          <path d="m5.9 4.9 4.2 4.2m0-4.2L5.9 9.1" {...cut} />
        </g>
      )}
      {shape === "unknown" && (
        <>
          <circle cx="8" cy="8" r="6" {...line} strokeDasharray="2.4 2.3" />
          <path d="M6.6 6.6a1.5 1.5 0 1 1 2 1.5c-.4.2-.6.5-.6.9M8 10.9v.1" {...line} strokeWidth="1.4" />
        </>
      )}
      {shape === "out" && (
        <>
          <path d="M13.4 9.6A6 6 0 1 1 6.4 2.2" {...line} />
          <path d="M7.6 8.4 13.6 2.4M9.6 2h4.4v4.4" {...line} />
        </>
      )}
      {shape === "held" && (
        <>
          <rect x="1.8" y="1.8" width="12.4" height="12.4" rx="2.6" fill={color} />
          <path d="M6.1 5.2v5.6M9.9 5.2v5.6" {...cut} />
        </>
      )}
      {shape === "waiting" && (
        <>
          <path d="M8 1.2 14.8 8 8 14.8 1.2 8z" fill={color} stroke={color} strokeLinejoin="round" />
          <path d="M8 4.9v3.6M8 10.9v.1" {...cut} />
        </>
      )}
      {shape === "running" && (
        <>
          <circle cx="8" cy="8" r="6" {...line} strokeOpacity="0.3" strokeWidth="2.2" />
          <path d="M8 2a6 6 0 0 1 6 6" {...line} strokeWidth="2.2">
            <animateTransform attributeName="transform" type="rotate" from="0 8 8" to="360 8 8" dur="1.2s" repeatCount="indefinite" />
          </path>
        </>
      )}
      {shape === "pending" && <circle cx="8" cy="8" r="5.6" {...line} strokeOpacity="0.75" />}
      {shape === "skipped" && (
        <>
          <circle cx="8" cy="8" r="6" {...line} />
          <path d="m4.6 11.4 6.8-6.8" {...line} />
        </>
      )}
      {shape === "undone" && <path d="M5.6 3 2.6 6l3 3M3 6h6.4a4 4 0 0 1 0 8H6" {...line} />}
    </svg>
  );
}
