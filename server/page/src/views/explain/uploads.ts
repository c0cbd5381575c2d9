// Pictures on their way to a side.
import { LatestCall } from "../../api/call.ts";
import { go } from "../../app/route.ts";
import { keepLocal } from "../../pictures/pictures.ts";
import type { ImageRef } from "../../query/question.ts";
import { upload } from "../../query/store.ts";
import { announce } from "../../ui/announcer.tsx";
import { addressOf } from "./address.ts";
import { sideName, withImage, type Side } from "./explanation.ts";
import { explanation } from "./pair-store.ts";

export const uploading: Readonly<Record<Side, LatestCall<ImageRef>>> = { a: new LatestCall(), b: new LatestCall() };

/** Puts an image on a side, or takes it away; a step for the back button. */
export function chooseImage(side: Side, ref: ImageRef | undefined): void {
  uploading[side].clear();
  go(addressOf(withImage(explanation.peek(), side, ref)));
}

/** Sends a picture and puts it on a side. */
export async function chooseFile(side: Side, file: Blob): Promise<void> {
  const ref = await uploading[side].run(async () => {
    const found = await upload(new Uint8Array(await file.arrayBuffer()));
    if (!found) throw new Error("the server did not describe the picture");
    await keepLocal(found, file);
    return found;
  });
  if (!ref) return;
  chooseImage(side, ref);
  announce(`Picture ${sideName(side)} is there`);
}

/** The first picture that was dropped or pasted. */
export function fileOf(data: DataTransfer | null): File | undefined {
  return [...(data?.files ?? [])].find(({ type }) => type.startsWith("image/") || type === "");
}
