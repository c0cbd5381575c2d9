// Pages of the gallery with their thumbnails.
import { galleryService } from "../api/clients.ts";
import type { GalleryImage } from "../gen/partlens/v1/image_pb.ts";
import { keepPicture, owned } from "../pictures/pictures.ts";
import { EVERYWHERE, type Where } from "../query/question.ts";
import { toFilter } from "../query/request.ts";

export interface Thumbnail {
  readonly id: string;
  /** A blob URL; "" where the thumbnail is damaged. */
  readonly url: string;
  readonly image: GalleryImage;
}

interface Asked {
  readonly pageSize: number;
  readonly pageToken?: string;
  readonly where?: Where;
  /** What the ids begin with. */
  readonly prefix?: string;
}

/** One page of the gallery, ordered by id. Throws what the call throws. */
export async function listThumbnails(
  { pageSize, pageToken = "", where = EVERYWHERE, prefix = "" }: Asked, signal: AbortSignal,
): Promise<{ readonly thumbnails: readonly Thumbnail[]; readonly next: string }> {
  const answer = await galleryService.listImages(
    { pageSize, pageToken, includeThumbnails: true, filter: toFilter(where), prefix }, { signal },
  );
  const thumbnails = answer.images.map((image, i) => {
    const data = answer.thumbnails[i];
    return { id: image.id, image, url: data?.length ? keepPicture(`thumbnail:${image.mediaDigest}`, owned(data)) : "" };
  });
  return { thumbnails, next: answer.nextPageToken };
}
