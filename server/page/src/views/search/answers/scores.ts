// Scores as people read them, and the slider that hides the lower ones.

const DIGITS = 3;

/** A number with three digits and a real minus sign. */
export function scoreText(score: number): string {
  const text = score.toFixed(DIGITS);
  return Number(text) === 0 ? (0).toFixed(DIGITS) : text.replace("-", "−");
}

/** A number with three digits and its sign, as a term of a sum. */
export function signedText(score: number): string {
  return score < 0 ? scoreText(score) : `+${scoreText(score)}`;
}

export interface Range {
  readonly lowest: number;
  readonly highest: number;
}

/** What a slider over these scores spans, rounded down so that its highest value still shows the best; undefined for none. */
export function rangeOf(scores: readonly number[]): Range | undefined {
  if (scores.length === 0) return undefined;
  const down = (score: number) => Math.floor(score * 10 ** DIGITS) / 10 ** DIGITS;
  return { lowest: down(Math.min(...scores)), highest: down(Math.max(...scores)) };
}

/** How many of the scores lie below the lowest one to show. */
export function hiddenBelow(scores: readonly number[], lowest: number | undefined): number {
  return lowest === undefined ? 0 : scores.filter((score) => score < lowest).length;
}
