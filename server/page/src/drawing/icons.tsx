// Signs of the tools.
import type { ToolRow } from "./state.ts";

const PATHS: Readonly<Record<ToolRow["tool"], string>> = {
  select: "M5 3l13 9-6 1-3 6z",
  box: "M4 6h16v12H4z",
  polygon: "M12 3l9 7-4 10H7L3 10z",
  brush: "M20 4c-5 1-9 5-10 8l2 2c3-1 7-5 8-10zM9 13c-3 0-3 4-6 5 3 2 8 2 8-3z",
  snap: "M12 4c5 0 8 3 8 8s-4 8-8 8-8-3-8-8c0-3 3-3 4-5s2-3 4-3zM12 10.5a1.5 1.5 0 1 1 0 3a1.5 1.5 0 1 1 0-3z",
  point: "M12 3v6M12 15v6M3 12h6M15 12h6M12 11a1 1 0 1 1 0 2a1 1 0 1 1 0-2z",
  whole: "M3 9V3h6M15 3h6v6M21 15v6h-6M9 21H3v-6",
};

export function ToolIcon({ tool }: { readonly tool: ToolRow["tool"] }) {
  return <Icon path={PATHS[tool]} />;
}

/** Arrows that point outwards. */
export function RoomIcon() {
  return <Icon path="M14 4h6v6M10 20H4v-6M20 4l-7 7M4 20l7-7" />;
}

function Icon({ path }: { readonly path: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
