// The caller's standing queries, and what can be done with them.
import { signal } from "@preact/signals";
import { LatestCall } from "../../api/call.ts";
import { standingService } from "../../api/clients.ts";
import { problemOf, type Problem } from "../../api/problem.ts";
import { dropMatchesOf } from "./matches.ts";
import type { StandingQuery } from "../../gen/partlens/v1/standing_query_service_pb.ts";

const listing = new LatestCall<readonly StandingQuery[]>();

/** The list: pending, answered or failed. */
export const standingQueries = listing.state;

/** Why the last change did not work. */
export const changeProblem = signal<Problem | undefined>(undefined);

export function list(): void {
  void listing.run(async (signal) => (await standingService.listStandingQueries({}, { signal })).standingQueries);
}

export function update(id: string, changed: { name?: string; threshold?: number; paused?: boolean }): Promise<void> {
  return change(() => standingService.updateStandingQuery({ id, ...changed }));
}

export function remove(id: string): Promise<void> {
  return change(async () => {
    await standingService.deleteStandingQuery({ id });
    dropMatchesOf(id);
  });
}

async function change(call: () => Promise<unknown>): Promise<void> {
  changeProblem.value = undefined;
  try {
    await call();
  } catch (error) {
    changeProblem.value = problemOf(error);
  }
  list();
}
