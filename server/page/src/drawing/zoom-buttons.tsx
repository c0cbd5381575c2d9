// Makes the picture of a stage larger and smaller.
import type { Box } from "../geometry/region.ts";
import { Button } from "../ui/button.tsx";
import { zoomed, zoomOf } from "./zoom.ts";

interface Props {
  readonly frame: Box;
  readonly view: Box;
  readonly setView: (view: Box) => void;
}

export function ZoomButtons({ frame, view, setView }: Props) {
  const zoom = zoomOf(view, frame);
  const by = (factor: number) => () =>
    setView(zoomed(view, frame, factor, { x: view.x + view.width / 2, y: view.y + view.height / 2 }));
  return (
    <span class="zoom row" role="group" aria-label="Zoom">
      <Button kind="plain" label="Zoom out (−)" disabled={zoom <= 1.001} onClick={by(1 / 1.5)}>−</Button>
      <Button kind="plain" label={`${Math.round(zoom * 100)} %: show the whole picture (0)`} onClick={() => setView(frame)}>
        <span class="number">{Math.round(zoom * 100)} %</span>
      </Button>
      <Button kind="plain" label="Zoom in (+)" onClick={by(1.5)}>+</Button>
    </span>
  );
}
