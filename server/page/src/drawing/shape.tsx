// One region on the picture: an outline that can be seen on any picture, its number, and its handles while it is selected.
import type { Box, Point, Size } from "../geometry/region.ts";
import { pathsOf } from "./mask-path.ts";
import type { Placed } from "./regions-on.ts";
import { regionName } from "./sheet.ts";
import { boundsOf, handlesOf, type PlacedHandle } from "./shapes.ts";
import { kindOf, placeOf } from "./words.ts";

interface Props {
  readonly placed: Placed;
  readonly size: Size;
  /** Pixels of the image for one of the screen. */
  readonly unit: number;
  readonly selected: boolean;
  readonly hovered: boolean;
  readonly hatch: string;
}

export function Shape({ placed, size, unit, selected, hovered, hatch }: Props) {
  const { index, region, exclude } = placed;
  const number = regionName(index), name = `Region ${number}: ${kindOf(region)}${exclude ? ", excluded" : ""}, ${placeOf(region)}`;
  const area = pathOf(placed, unit, size), edge = region.kind === "mask" ? pathsOf(region.mask).edge : area;
  const classes = ["shape", exclude && "excluded", selected && "selected", hovered && "hovered", region.kind];
  return (
    <g class={classes.filter(Boolean).join(" ")}>
      <g class="body" tabindex={0} role="button" aria-pressed={selected} aria-label={name} data-region={index}>
        <path class="area" d={area} fill={exclude ? `url(#${hatch})` : undefined} shape-rendering={region.kind === "mask" ? "crispEdges" : undefined} />
        <path class="halo" d={edge} />
        <path class="line" d={edge} />
        <Badge name={number} exclude={exclude} bounds={boundsOf(region, size)} size={size} unit={unit} />
      </g>
      {selected && handlesOf(region).map((one) => (
        <HandleDot key={JSON.stringify(one.handle)} placed={one} index={index} unit={unit} />
      ))}
    </g>
  );
}

function pathOf({ region }: Placed, unit: number, size: Size): string {
  switch (region.kind) {
    case "box":
      return boxPath(region);
    case "whole":
      return boxPath({ x: 0, y: 0, ...size });
    case "polygon":
      return `M${region.points.map(({ x, y }) => `${x} ${y}`).join("L")}Z`;
    case "point":
      return circlePath(region, 8 * unit) + (region.snap ? circlePath(region, 3 * unit) : crossPath(region, 12 * unit));
    case "mask":
      return pathsOf(region.mask).area;
  }
}

function boxPath({ x, y, width, height }: Box): string {
  return `M${x} ${y}h${width}v${height}h${-width}Z`;
}

function circlePath({ x, y }: Point, radius: number): string {
  return `M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0Z`;
}

function crossPath({ x, y }: Point, arm: number): string {
  return `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}`;
}

interface BadgeProps {
  readonly name: string;
  readonly exclude: boolean;
  readonly bounds: Box;
  readonly size: Size;
  readonly unit: number;
}

function Badge({ name, exclude, bounds, size, unit }: BadgeProps) {
  const text = exclude ? `−${name}` : name;
  const width = (9 + 8 * text.length) * unit, height = 18 * unit;
  const x = Math.max(0, Math.min(bounds.x, size.width - width));
  const above = bounds.y - height - 4 * unit;
  const y = above >= 0 ? above : Math.min(bounds.y + 4 * unit, Math.max(0, size.height - height));
  return (
    <g class="badge" aria-hidden="true">
      <rect x={x} y={y} width={width} height={height} rx={4 * unit} />
      <text x={x + width / 2} y={y + 13.5 * unit} font-size={13 * unit} text-anchor="middle">{text}</text>
    </g>
  );
}

function HandleDot({ placed, index, unit }: { readonly placed: PlacedHandle; readonly index: number; readonly unit: number }) {
  const { handle, at } = placed;
  const radius = (handle.kind === "edge" ? 4 : 6) * unit;
  return (
    <g
      class={`handle ${handle.kind}`} tabindex={0} role="button" aria-label={`${handleName(placed)}, region ${regionName(index)}`}
      data-region={index} data-handle={JSON.stringify(handle)}
    >
      <circle class="reach" cx={at.x} cy={at.y} r={14 * unit} />
      <circle class="dot" cx={at.x} cy={at.y} r={radius} />
    </g>
  );
}

const DOWN = ["Top", "", "Bottom"], ACROSS = ["left", "", "right"];

function handleName({ handle }: PlacedHandle): string {
  if (handle.kind === "corner") return `Corner ${handle.index + 1}`;
  if (handle.kind === "edge") return `New corner after corner ${handle.index + 1}`;
  const where = [DOWN[handle.y + 1], ACROSS[handle.x + 1]].filter(Boolean).join(" ");
  const name = handle.x && handle.y ? `${where} corner` : `${where} edge`;
  return name.charAt(0).toUpperCase() + name.slice(1);
}
