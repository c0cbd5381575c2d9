// The original file of a gallery image, in a new tab.
import { galleryService } from "../api/clients.ts";
import { owned } from "./pictures.ts";
import { toImage } from "../query/request.ts";
import { save } from "../ui/save.ts";

// What browsers show as a picture and never run; every other type is saved to a file.
const SHOWN = new Set(["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/bmp"]);
const KEPT_MS = 60_000;

/** Opens the original in a new tab, or saves it where a browser cannot show it or no longer opens a tab. Throws what the call throws. */
export async function openOriginal(id: string): Promise<void> {
  const { data, mediaType } = await galleryService.getPicture({ image: toImage({ kind: "gallery", id }), maxSide: 0 });
  // Some seconds after a click, browsers block a new tab without a word.
  if (!SHOWN.has(mediaType) || !navigator.userActivation.isActive) {
    save(owned(data), "application/octet-stream", id.split(/[/\\]/).at(-1) ?? id);
    return;
  }
  const url = URL.createObjectURL(new Blob([owned(data)], { type: mediaType }));
  const link = document.createElement("a");
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
