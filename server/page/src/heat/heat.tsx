// A map over a picture, drawn on a canvas, and the legend of its colours.
import { useEffect, useRef } from "preact/hooks";
import type { Grid } from "../geometry/grid.ts";
import { coloured, upsampled, type Scale, type Sign } from "./colours.ts";

const SIDE = 192;

interface HeatProps {
  readonly values: ArrayLike<number>;
  readonly grid: Grid;
  readonly scale: Scale;
  readonly sign?: Sign;
  /** Longest side of the canvas, in its own pixels; the browser scales it up smoothly. Fewer are faster where maps are many. */
  readonly side?: number;
}

/** A map, as large as what it lies in. The picture under it should be grey and pale: class "under-heat". */
export function Heat({ values, grid, scale, sign = "both", side = SIDE }: HeatProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shrink = Math.min(1, side / Math.max(grid.image.width, grid.image.height));
  const width = Math.max(1, Math.round(grid.image.width * shrink));
  const height = Math.max(1, Math.round(grid.image.height * shrink));
  useEffect(() => {
    const rgba = coloured(upsampled(values, grid, width, height), scale, sign);
    canvas.current?.getContext("2d")?.putImageData(new ImageData(rgba, width, height), 0, 0);
  }, [values, grid, scale, sign, width, height]);
  return <canvas ref={canvas} class="heat" width={width} height={height} aria-hidden="true" />;
}

/** The colours of a scale, with numbers. */
export function Legend({ scale, unit = "of the score" }: { readonly scale: Scale; readonly unit?: string }) {
  if (scale.strongest <= 0) return <p class="quiet">The map is zero everywhere.</p>;
  const number = scale.strongest.toPrecision(2);
  return (
    <p class="legend">
      <span>−{number}</span>
      <span class="legend-bar" role="img" aria-label={`Colours from blue at minus ${number} to red at plus ${number}`} />
      <span>+{number}{unit && ` ${unit}`} per cell{scale.largest > scale.strongest * 1.01 && ` or more, up to ${scale.largest.toPrecision(2)}`}</span>
    </p>
  );
}
