// Pages of the gallery with their thumbnails.
import { galleryService } from "../../api/clients.ts";
import { keepPicture, owned } from "../../pictures/pictures.ts";

export interface Thumbnail {
  readonly id: string;
  /** A blob URL; "" where the thumbnail is damaged. */
  readonly url: string;
  readonly width: number;
  readonly height: number;
}

interface Asked {
  readonly pageSize: number;
  readonly pageToken?: string;
  /** Only these images. */
  readonly ids?: readonly string[];
}

/** One page of the gallery, ordered by id. Throws what the call throws. */
export async function listThumbnails(
  { pageSize, pageToken = "", ids = [] }: Asked, signal: AbortSignal,
): Promise<{ readonly thumbnails: readonly Thumbnail[]; readonly next: string }> {
  const answer = await galleryService.listImages(
    { pageSize, pageToken, includeThumbnails: true, filter: { ids: [...ids] } }, { signal },
  );
  const thumbnails = answer.images.map(({ id, width, height, mediaDigest }, i) => {
    const data = answer.thumbnails[i];
    return { id, width, height, url: data?.length ? keepPicture(`thumbnail:${mediaDigest}`, owned(data)) : "" };
  });
  return { thumbnails, next: answer.nextPageToken };
}
