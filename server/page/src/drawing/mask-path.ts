// Painted masks as paths: their area, and the line around it.
import { rowRuns } from "../geometry/mask.ts";
import type { Mask } from "../geometry/region.ts";

// More rows than this are not told apart on a screen.
const MOST_ROWS = 512;

interface Paths {
  readonly area: string;
  readonly edge: string;
}

const drawn = new WeakMap<Mask, Paths>();

/** The paths of a mask, in pixels of its image. Of a tall mask only some rows are drawn, each as high as those left out. */
export function pathsOf(mask: Mask): Paths {
  const found = drawn.get(mask) ?? made(mask);
  drawn.set(mask, found);
  return found;
}

function made(mask: Mask): Paths {
  const step = Math.ceil(mask.height / MOST_ROWS);
  const area: string[] = [], edge: string[] = [];
  let above: number[] = [], row: number[] = [], rowAt = -step;
  const closeRow = (next: number) => {
    edge.push(...level(above, row, rowAt));
    // A row that nothing follows directly has its lower edge too.
    if (next > rowAt + step) edge.push(...level(row, [], rowAt + step));
    above = next > rowAt + step ? [] : row;
    row = [];
  };
  for (const { y, start, end } of rowRuns(mask)) {
    if (y % step) continue;
    if (y !== rowAt) {
      closeRow(y);
      rowAt = y;
    }
    row.push(start, end);
    area.push(`M${start} ${y}h${end - start}v${step}h${start - end}Z`);
    edge.push(`M${start} ${y}v${step}M${end} ${y}v${step}`);
  }
  closeRow(Infinity);
  return { area: area.join(""), edge: edge.join("") };
}

/** Lines where one row of runs is inside and the other is not. */
function level(one: readonly number[], other: readonly number[], y: number): string[] {
  const bounds = [...one, ...other].sort((a, b) => a - b);
  return bounds.flatMap((start, i) => {
    const end = bounds[i + 1];
    return i % 2 === 0 && end !== undefined && end > start ? [`M${start} ${y}H${end}`] : [];
  });
}
