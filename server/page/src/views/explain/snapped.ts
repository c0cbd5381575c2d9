// What points that snap to a part cover: only the server knows.
import { signal } from "@preact/signals";
import { searchService } from "../../api/clients.ts";
import { problemOf, type Problem } from "../../api/problem.ts";
import type { Region } from "../../geometry/region.ts";
import { refText, shapeText } from "../../query/address.ts";
import type { ImageRef } from "../../query/question.ts";
import { toImage, toRegion } from "../../query/request.ts";

const MOST = 50;

const known = signal<ReadonlyMap<string, Float32Array>>(new Map());
const asked = new Set<string>();

/** Why the newest question was not answered; it is not asked again by itself. */
export const snapProblem = signal<Problem | undefined>(undefined);

/** The share of each position that a region covers; undefined while it is asked for, and if it cannot be had. */
export function snappedShares(ref: ImageRef, region: Region): Float32Array | undefined {
  const name = `${refText(ref)} ${shapeText(region)}`, found = known.value.get(name);
  if (!found && !asked.has(name)) {
    asked.add(name);
    void fetchShares(ref, region, name);
  }
  return found;
}

async function fetchShares(ref: ImageRef, region: Region, name: string): Promise<void> {
  try {
    const { coverage: [found] } = await searchService.describeQuery({ image: toImage(ref), regions: [toRegion(region)] });
    if (!found) return;
    const recent = [...known.peek()].slice(-MOST);
    known.value = new Map([...recent, [name, Float32Array.from(found.values)]]);
    asked.delete(name);
    snapProblem.value = undefined;
  } catch (error) {
    snapProblem.value = problemOf(error);
  }
}
