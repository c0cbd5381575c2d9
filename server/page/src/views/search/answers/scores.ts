// The slider that hides lower scores.
import { SCORE_DIGITS } from "../../../ui/numbers.ts";

export interface Range {
  readonly lowest: number;
  readonly highest: number;
}

/** What a slider over these scores spans, rounded down so that its highest value still shows the best; undefined for none. */
export function rangeOf(scores: readonly number[]): Range | undefined {
  if (scores.length === 0) return undefined;
  const down = (score: number) => Math.floor(score * 10 ** SCORE_DIGITS) / 10 ** SCORE_DIGITS;
  return { lowest: down(Math.min(...scores)), highest: down(Math.max(...scores)) };
}

/** How many of the scores lie below the lowest one to show. */
export function hiddenBelow(scores: readonly number[], lowest: number | undefined): number {
  return lowest === undefined ? 0 : scores.filter((score) => score < lowest).length;
}
