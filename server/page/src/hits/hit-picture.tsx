// A picture in a box of fixed shape, with the matched box and the map over it.
import type { Grid } from "../geometry/grid.ts";
import type { Box, Size } from "../geometry/region.ts";
import type { Scale, Sign } from "../heat/colours.ts";
import { Heat } from "../heat/heat.tsx";

interface Props {
  /** URL of the picture; undefined until it is there. */
  readonly url: string | undefined;
  readonly size: Size;
  readonly box?: Box | undefined;
  /** The map to draw; undefined for none. */
  readonly heat?: { readonly values: ArrayLike<number>; readonly grid: Grid; readonly scale: Scale; readonly sign?: Sign; readonly side?: number } | undefined;
  /** What the picture shows; "" where text next to it says so. */
  readonly words?: string;
  /** What stands in its place while there is none. */
  readonly empty?: string;
}

export function HitPicture({ url, size, box, heat, words = "", empty = "No picture" }: Props) {
  return (
    <div class="frame">
      <div class={heat ? "frame-picture heated" : "frame-picture"} style={{ "--ratio": size.width / size.height }}>
        {url === undefined
          ? <span class="frame-empty quiet">{empty}</span>
          : <img src={url} alt={words} class={heat ? "under-heat" : ""} draggable={false} />}
        {heat && <Heat {...heat} />}
        {box && <MatchedBox box={box} size={size} />}
      </div>
    </div>
  );
}

// Two lines, a dark one under a light one, so that the box is seen on any picture.
function MatchedBox({ box, size }: { readonly box: Box; readonly size: Size }) {
  const { x, y, width, height } = box;
  return (
    <svg class="matched" viewBox={`0 0 ${size.width} ${size.height}`} preserveAspectRatio="none" aria-hidden="true">
      <rect class="matched-under" x={x} y={y} width={width} height={height} />
      <rect class="matched-over" x={x} y={y} width={width} height={height} />
    </svg>
  );
}
