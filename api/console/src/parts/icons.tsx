import type { ReactNode } from "react";

function icon(path: ReactNode) {
  return function Icon({ size = 18 }: { size?: number }) {
    return (
      <svg
        width={size}
        height={size}
        viewBox="0 0 20 20"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
      >
        {path}
      </svg>
    );
  };
}

export const SearchIcon = icon(
  <>
    <circle cx="9" cy="9" r="5.5" />
    <path d="m13.2 13.2 3.8 3.8" />
  </>,
);
export const SunIcon = icon(
  <>
    <circle cx="10" cy="10" r="3.4" />
    <path d="M10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.3 4.3l1.2 1.2M14.5 14.5l1.2 1.2M15.7 4.3l-1.2 1.2M5.5 14.5l-1.2 1.2" />
  </>,
);
export const MoonIcon = icon(<path d="M16.5 11.8A7 7 0 0 1 8.2 3.5a7 7 0 1 0 8.3 8.3Z" />);
export const AutoIcon = icon(
  <>
    <circle cx="10" cy="10" r="7" />
    <path d="M10 3a7 7 0 0 1 0 14Z" fill="currentColor" />
  </>,
);
export const OverviewIcon = icon(
  <>
    <rect x="2.8" y="2.8" width="6" height="6" rx="1.5" />
    <rect x="11.2" y="2.8" width="6" height="6" rx="1.5" />
    <rect x="2.8" y="11.2" width="6" height="6" rx="1.5" />
    <rect x="11.2" y="11.2" width="6" height="6" rx="1.5" />
  </>,
);
export const BookIcon = icon(
  <>
    <path d="M4 3.5h9.5A2.5 2.5 0 0 1 16 6v10.5H6.2A2.2 2.2 0 0 1 4 14.3Z" />
    <path d="M4 14.3A2.2 2.2 0 0 1 6.2 12H16M7.5 7h5" />
  </>,
);
export const RunIcon = icon(
  <>
    <circle cx="5" cy="4.5" r="1.8" />
    <circle cx="5" cy="15.5" r="1.8" />
    <path d="M5 6.3v7.4M9.5 4.5H16M9.5 10H16M9.5 15.5H16" />
  </>,
);
export const AuditIcon = icon(
  <>
    <path d="M8.2 11.8a3 3 0 0 0 4.2 0l3-3a3 3 0 0 0-4.2-4.2l-.8.8" />
    <path d="M11.8 8.2a3 3 0 0 0-4.2 0l-3 3a3 3 0 0 0 4.2 4.2l.8-.8" />
  </>,
);
export const PersonIcon = icon(
  <>
    <circle cx="10" cy="6.8" r="3.2" />
    <path d="M3.8 16.8a6.3 6.3 0 0 1 12.4 0" />
  </>,
);
export const ChevronIcon = icon(<path d="m7.5 4.5 5.5 5.5-5.5 5.5" />);
export const ArrowIcon = icon(<path d="M3.5 10h13M11.5 5l5 5-5 5" />);
