import { createTheme, defaultVariantColorsResolver, type MantineColorsTuple } from "@mantine/core";

// One accent, the colour of things that can be acted on. State has its own
// colours, in app.css, and shares none of them with this.
const sea: MantineColorsTuple = [
  "#e3f0f4",
  "#cbe2ea",
  "#a5cdd9",
  "#7ccbdc",
  "#4b9db3",
  "#2f8199",
  "#1b6178",
  "#175367",
  "#124455",
  "#0c3543",
];

const danger: MantineColorsTuple = [
  "#fdeaeb",
  "#f9cfd1",
  "#f2a5a9",
  "#ff9095",
  "#dc5a62",
  "#c83640",
  "#b3202a",
  "#991a23",
  "#7f141c",
  "#650f15",
];

// Fields, menus and switched-off buttons in the dark: the console's own ink
// instead of a neutral grey.
const dark: MantineColorsTuple = [
  "#d3dce4",
  "#b9c4ce",
  "#93a2b0",
  "#718291",
  "#3a4957",
  "#27333e",
  "#1c262f",
  "#151d24",
  "#10171d",
  "#0d1318",
];

const sans =
  '"Inter Variable", system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif';

export const theme = createTheme({
  fontFamily: sans,
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "Roboto Mono", "DejaVu Sans Mono", monospace',
  headings: { fontFamily: sans, fontWeight: "650" },
  colors: { sea, danger, dark },
  primaryColor: "sea",
  primaryShade: { light: 6, dark: 3 },
  autoContrast: true,
  // Acts take their colours from app.css, where each pair is known to be legible
  // in the light and in the dark.
  variantColorResolver(input) {
    const tone = input.color === "danger" ? "down" : input.color === undefined || input.color === "sea" ? "accent" : undefined;
    const ink = tone === "accent" ? "var(--accent-ink)" : "var(--solid-ink)";
    if (tone !== undefined && input.variant === "filled") {
      return {
        background: `var(--${tone})`,
        hover: `color-mix(in srgb, var(--${tone}) 88%, var(--ink))`,
        color: ink,
        border: "1px solid transparent",
      };
    }
    if (tone !== undefined && input.variant === "outline") {
      return { background: "transparent", hover: `var(--${tone}-tint)`, color: `var(--${tone})`, border: `1px solid var(--${tone})` };
    }
    return defaultVariantColorsResolver(input);
  },
  luminanceThreshold: 0.35,
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // Nearly every field is needed; a star on each says nothing.
    TextInput: { defaultProps: { withAsterisk: false } },
    Textarea: { defaultProps: { withAsterisk: false } },
    PasswordInput: { defaultProps: { withAsterisk: false } },
    NativeSelect: { defaultProps: { withAsterisk: false } },
    ModalRoot: { defaultProps: { transitionProps: { duration: 120 } } },
    ModalOverlay: { defaultProps: { backgroundOpacity: 0.45 } },
    Tooltip: { defaultProps: { withArrow: true, multiline: true, maw: 360, openDelay: 200, events: { hover: true, focus: true, touch: true } } },
  },
});
