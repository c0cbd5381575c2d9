import { counted } from "../../../ui/words.ts";

/** The other images of a hit's group, in words; "" if there are none. */
export function othersWords(others: number): string {
  return others === 0 ? "" : `+${counted(others, "other")} in this group`;
}
