// Addresses of the gallery: which of its images are listed.
import { href, replace } from "../../app/route.ts";
import { addWhere } from "../../query/address.ts";
import type { Where } from "../../query/question.ts";

export function galleryHref(where: Where): string {
  const parameters = new URLSearchParams();
  addWhere(parameters, where);
  return href("gallery", "", parameters);
}

export function imageHref(id: string): string {
  return href("image", id);
}

/** Lists other images. */
export function list(where: Where): void {
  replace(galleryHref(where));
}
