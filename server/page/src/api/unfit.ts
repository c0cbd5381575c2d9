// Why a file is not added, said before it is sent.
import { megabytes } from "../ui/numbers.ts";
import { notAdded, type Problem } from "./problem.ts";
import { gallery } from "./server.ts";

/** Why a file cannot be sent; undefined if it can. */
export function unfit(file: File): Problem | undefined {
  const most = Number(gallery.peek()?.limits?.requestBytes ?? Infinity);
  if (file.size === 0) return notAdded("This file is empty.");
  if (file.size <= most) return undefined;
  return notAdded(`This file has ${megabytes(file.size)}; the server takes up to ${megabytes(most)}. Make it smaller.`);
}
