// The cameras that took the query's images, where those are images of the gallery and their cameras are known.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { galleryService } from "../../../api/clients.ts";
import type { ImageRef } from "../../../query/question.ts";

const known = signal<ReadonlyMap<string, string>>(new Map());
const asked = new Set<string>();

export function useQueryCameras(images: readonly ImageRef[]): string[] {
  useEffect(() => {
    for (const { kind, id } of images) if (kind === "gallery" && !known.peek().has(id)) void ask(id);
  }, [images]);
  const cameras = images.flatMap(({ kind, id }) => (kind === "gallery" ? [known.value.get(id) ?? ""] : []));
  return [...new Set(cameras)].filter((camera) => camera !== "");
}

async function ask(id: string): Promise<void> {
  if (asked.has(id)) return;
  asked.add(id);
  try {
    const { image } = await galleryService.getImage({ id });
    known.value = new Map(known.value).set(id, image?.metadata?.camera ?? "");
  } catch {
    // The camera stays unknown; the search itself says what is wrong with the image.
  } finally {
    asked.delete(id);
  }
}
