// Numbers as people read them.

/** Digits of a score. */
export const SCORE_DIGITS = 3;

/** A number with so many decimals, a real minus sign, and no negative zero. */
export function decimal(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", "−");
}

export function scoreText(score: number): string {
  return decimal(score, SCORE_DIGITS);
}

/** A score with its sign, as a term of a sum. */
export function signedText(score: number): string {
  return score < 0 ? scoreText(score) : `+${scoreText(score)}`;
}

/** A size such as "1.5 MB". */
export function megabytes(bytes: number): string {
  return `${decimal(bytes / 1e6, 1)} MB`;
}
