// The address of an explanation of two images.
import { href } from "../../app/route.ts";
import type { Region } from "../../geometry/region.ts";
import { refText, regionText } from "../../query/address.ts";
import type { ImageRef } from "../../query/question.ts";

/** A link to the explanation of two images, and of regions on them. */
export function explainHref(
  a: ImageRef, b: ImageRef, regions: readonly { readonly side: "a" | "b"; readonly region: Region }[] = [],
): string {
  const parameters = new URLSearchParams({ a: refText(a), b: refText(b) });
  for (const { side, region } of regions) {
    const text = regionText({ image: 0, region, weight: 1, exclude: false });
    parameters.append("region", side + text.slice(text.indexOf(":")));
  }
  return href("explain", "", parameters);
}
