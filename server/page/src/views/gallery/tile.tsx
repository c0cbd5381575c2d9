// One image of the gallery.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { shortened, timeWords } from "../../ui/words.ts";
import { imageHref } from "./address.ts";
import type { Thumbnail } from "../../picker/thumbnails.ts";

interface Props {
  readonly shown: Thumbnail;
  readonly selected: boolean;
  /** Selects it or not, with everything since the last one if `range`; undefined if nothing can be selected. */
  readonly onSelect?: ((selected: boolean, range: boolean) => void) | undefined;
}

export function Tile({ shown: { id, url, image }, selected, onSelect }: Props) {
  const { camera, capturedAt } = image.metadata ?? {};
  const words = [camera && `Camera ${shortened(camera, 24)}`, capturedAt && timeWords(timestampDate(capturedAt))].filter(Boolean).join(" · ");
  return (
    <li class={selected ? "tile selected" : "tile"}>
      <a href={imageHref(id)} title={id}>
        {url ? <img src={url} alt="" loading="lazy" /> : <span class="tile-empty quiet">No thumbnail</span>}
        <span class="tile-id">{shortened(id, 24)}</span>
        {words && <span class="quiet">{words}</span>}
      </a>
      {onSelect && (
        <label class="tile-select">
          <input
            type="checkbox" checked={selected} aria-label={`Select ${id}`}
            onClick={(event) => onSelect(event.currentTarget.checked, event.shiftKey)}
          />
        </label>
      )}
    </li>
  );
}
