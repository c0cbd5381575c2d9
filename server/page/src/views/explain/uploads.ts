// Pictures on their way to a side.
import { signal } from "@preact/signals";
import { LatestCall } from "../../api/call.ts";
import type { Problem } from "../../api/problem.ts";
import { go } from "../../app/route.ts";
import type { ImageRef } from "../../query/question.ts";
import { uploaded, unfit } from "../../query/uploads.ts";
import { announce } from "../../ui/announcer.tsx";
import { addressOf } from "./address.ts";
import { sideName, withImage, type Side } from "./explanation.ts";
import { explanation } from "./pair-store.ts";

export const uploading: Readonly<Record<Side, LatestCall<ImageRef>>> = { a: new LatestCall(), b: new LatestCall() };

/** Why the last picture for a side was not sent. */
export const refused = { a: signal<Problem | undefined>(undefined), b: signal<Problem | undefined>(undefined) };

/** Puts an image on a side, or takes it away; a step for the back button. */
export function chooseImage(side: Side, ref: ImageRef | undefined): void {
  uploading[side].clear();
  refused[side].value = undefined;
  go(addressOf(withImage(explanation.peek(), side, ref)));
}

/** Sends a picture and puts it on a side. */
export async function chooseFile(side: Side, file: File): Promise<void> {
  refused[side].value = unfit(file);
  if (refused[side].peek()) return;
  const ref = await uploading[side].run(async (abort) => {
    const found = await uploaded(file, abort);
    if (!found) throw new Error("the server did not describe the picture");
    return found;
  });
  refused[side].value = uploading[side].state.peek().problem;
  if (!ref) return;
  chooseImage(side, ref);
  announce(`Picture ${sideName(side)} is there`);
}

/** The first picture that was dropped or pasted. */
export function fileOf(data: DataTransfer | null): File | undefined {
  return [...(data?.files ?? [])].find(({ type }) => type.startsWith("image/") || type === "");
}
