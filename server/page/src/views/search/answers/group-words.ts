import { counted } from "../../../ui/words.ts";

/** What a hit stands for in a search by group; "" if it has no group. */
export function groupWords(group: string, others: number): string {
  if (!group) return "";
  return others === 0 ? `${group}: the only one` : `${group}: +${counted(others, "other")} in this group`;
}
