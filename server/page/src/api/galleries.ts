// The galleries that the caller may choose from, and the one that this page shows.
import { signal } from "@preact/signals";
import type { GalleryName } from "../gen/partlens/v1/gallery_service_pb.ts";
import { galleryService, shownGallery } from "./clients.ts";

/** The names that the caller may choose from; empty until they are known. */
export const galleries = signal<readonly GalleryName[]>([]);

/** Asks which galleries there are. A server of an earlier version has only one. */
export async function findGalleries(): Promise<void> {
  try {
    galleries.value = (await galleryService.listGalleries({}, { timeoutMs: 10_000 })).galleries;
    const [first] = galleries.value;
    // A token may exclude the default one.
    if (first && !shownGallery && !galleries.value.some((one) => one.default)) show(first.name);
  } catch {
    galleries.value = [];
  }
}

/** Shows another gallery, from its start: nothing that this page holds belongs to it. */
export function show(name: string): void {
  location.hash = `#/?gallery=${encodeURIComponent(name)}`;
}
