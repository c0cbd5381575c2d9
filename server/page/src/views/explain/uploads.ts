// Pictures on their way to a side.
import { signal } from "@preact/signals";
import { LatestCall } from "../../api/call.ts";
import { unfit } from "../../api/unfit.ts";
import type { Problem } from "../../api/problem.ts";
import { go } from "../../app/route.ts";
import type { ImageRef } from "../../query/question.ts";
import { uploaded } from "../../query/uploads.ts";
import { announce } from "../../ui/announcer.tsx";
import { addressOf } from "../../explanation/address.ts";
import { sideName, withImage, type Side } from "../../explanation/explanation.ts";
import { explanation, refs } from "./pair-store.ts";

export const uploading: Readonly<Record<Side, LatestCall<ImageRef>>> = { a: new LatestCall(), b: new LatestCall() };

interface Refusal {
  readonly problem: Problem;
  /** The image that was there, and stays. */
  readonly stays: ImageRef | undefined;
}

const refusals = { a: signal<Refusal | undefined>(undefined), b: signal<Refusal | undefined>(undefined) };

/** Why the last picture for a side was not sent, until another image is there. */
export function refusedFor(side: Side): Problem | undefined {
  const refusal = refusals[side].value;
  return refusal?.stays === refs[side].value ? refusal?.problem : undefined;
}

function refuse(side: Side, problem: Problem | undefined): void {
  refusals[side].value = problem && { problem, stays: refs[side].peek() };
}

/** Puts an image on a side, or takes it away; a step for the back button. */
export function chooseImage(side: Side, ref: ImageRef | undefined): void {
  uploading[side].clear();
  go(addressOf(withImage(explanation.peek(), side, ref)));
}

/** Sends a picture and puts it on a side. */
export async function chooseFile(side: Side, file: File): Promise<void> {
  const problem = unfit(file);
  refuse(side, problem);
  if (problem) return;
  const ref = await uploading[side].run(async (abort) => {
    const found = await uploaded(file, abort);
    if (!found) throw new Error("the server did not describe the picture");
    return found;
  });
  if (!ref) {
    refuse(side, uploading[side].state.peek().problem);
    return;
  }
  chooseImage(side, ref);
  announce(`Picture ${sideName(side)} is there`);
}

/** The first picture that was dropped or pasted. */
export function fileOf(data: DataTransfer | null): File | undefined {
  return [...(data?.files ?? [])].find(({ type }) => type.startsWith("image/") || type === "");
}
