// What the page needs of a hit, from its message.
import { Grid } from "../geometry/grid.ts";
import type { Box, Size } from "../geometry/region.ts";
import type { ActivationMap } from "../gen/partlens/v1/image_pb.ts";
import type { Hit } from "../gen/partlens/v1/part_search_service_pb.ts";
import { keepPicture, owned } from "../pictures/pictures.ts";
import type { ImageRef } from "../query/question.ts";

export function refOfHit(hit: Hit): ImageRef {
  return { kind: "gallery", id: hit.id };
}

export function sizeOf(hit: Hit): Size {
  return { width: hit.image?.width ?? 1, height: hit.image?.height ?? 1 };
}

/** Where the hit matched. */
export function boxOf(hit: Hit): Box | undefined {
  return hit.box && { x: hit.box.x, y: hit.box.y, width: hit.box.width, height: hit.box.height };
}

/** The grid of a map on the hit's image; undefined without a map. */
export function gridOn(hit: Hit, map: ActivationMap | undefined): Grid | undefined {
  return map && new Grid(map, sizeOf(hit));
}

/** URL of the thumbnail that came with the hit; undefined if it has none. */
export function thumbnailOf(hit: Hit): string | undefined {
  if (hit.thumbnail.length === 0) return undefined;
  return keepPicture(`thumbnail:${hit.image?.mediaDigest || hit.id}`, owned(hit.thumbnail));
}
