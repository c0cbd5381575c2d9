// What lies on a picture: the pins, what is drawn, and the cell that is pointed at.
import type { Grid } from "../../geometry/grid.ts";
import type { Box, Region } from "../../geometry/region.ts";
import type { Side } from "./explanation.ts";
import { explanation } from "./pair-store.ts";
import { drawn, pinned, pointed } from "./shown.ts";

interface Props {
  readonly side: Side;
  readonly grid: Grid;
}

export function Marks({ side, grid }: Props) {
  const { width, height } = grid.image, unit = Math.max(width, height) / 400;
  const at = pointed.value, draft = drawn.value;
  return (
    <svg class="explain-marks" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {pinned.value.filter((pin) => pin.side === side).map(({ region, index, name }) => (
        <Mark key={index} region={region} grid={grid} name={name} unit={unit} selected={index === explanation.value.selected} />
      ))}
      {draft?.side === side && <Mark region={draft.region} grid={grid} name="" unit={unit} selected />}
      {!draft && at?.side === side && <path class="pointed" d={boxPath(grid.cell(at.position))} />}
    </svg>
  );
}

interface MarkProps {
  readonly region: Region;
  readonly grid: Grid;
  readonly name: string;
  readonly unit: number;
  readonly selected: boolean;
}

function Mark({ region, grid, name, unit, selected }: MarkProps) {
  const path = pathOf(region, grid), [x, y] = cornerOf(region, grid);
  return (
    <g class={selected ? "mark selected" : "mark"}>
      <path class="halo" d={path} />
      <path class="line" d={path} />
      {name && <text x={Math.max(x, 0) + 3 * unit} y={Math.max(y, 0) + 15 * unit} font-size={15 * unit}>{name}</text>}
    </g>
  );
}

function boxPath({ x, y, width, height }: Box): string {
  return `M${x} ${y}h${width}v${height}h${-width}Z`;
}

function pathOf(region: Region, grid: Grid): string {
  switch (region.kind) {
    case "box":
      return boxPath(region);
    case "polygon":
      return `M${region.points.map(({ x, y }) => `${x} ${y}`).join("L")}Z`;
    case "point": {
      const position = grid.positionAt(region);
      return position === undefined ? "" : boxPath(grid.cell(position));
    }
    default:
      return "";
  }
}

function cornerOf(region: Region, grid: Grid): readonly [number, number] {
  if (region.kind === "polygon") return [Math.min(...region.points.map(({ x }) => x)), Math.min(...region.points.map(({ y }) => y))];
  if (region.kind === "box") return [region.x, region.y];
  if (region.kind !== "point") return [0, 0];
  const position = grid.positionAt(region), cell = position === undefined ? region : grid.cell(position);
  return [cell.x, cell.y];
}
