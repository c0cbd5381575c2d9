// The gallery's scores as bars; those that would match stand out, and stand on the other side of a line.
import { bars } from "./histogram.ts";

const WIDTH = 320, HEIGHT = 80;

interface Props {
  readonly scores: readonly number[];
  readonly threshold: number;
  /** Scores at the left and right edge. */
  readonly low: number;
  readonly high: number;
}

export function Histogram({ scores, threshold, low, high }: Props) {
  const drawn = bars(scores), tallest = Math.max(1, ...drawn.map(({ count }) => count));
  const x = (score: number) => ((score - low) / (high - low)) * WIDTH;
  return (
    <svg class="histogram" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {drawn.map(({ from, to, count }) => {
        const height = count === 0 ? 0 : Math.max(2, (count / tallest) * (HEIGHT - 4));
        return (
          <rect
            key={from} class={from >= threshold ? "matches" : ""} x={x(from)} y={HEIGHT - height}
            width={Math.max(1, x(to) - x(from) - 0.5)} height={height}
          />
        );
      })}
      <line x1={x(threshold)} x2={x(threshold)} y1={0} y2={HEIGHT} />
    </svg>
  );
}
