// How many of the gallery's images a threshold would have matched.

export interface Bar {
  /** Lowest score of the bar. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Bars of equal width over all scores; none without scores. */
export function bars(scores: readonly number[], count = 32): Bar[] {
  if (scores.length === 0) return [];
  const low = Math.min(...scores), high = Math.max(...scores);
  const width = (high - low || 1) / count;
  const counts = new Array<number>(count).fill(0);
  for (const score of scores) {
    const bar = Math.min(Math.floor((score - low) / width), count - 1);
    counts[bar] = (counts[bar] ?? 0) + 1;
  }
  return counts.map((held, i) => ({ from: low + i * width, to: low + (i + 1) * width, count: held }));
}

/** Number of scores at the threshold or above it. */
export function matching(scores: readonly number[], threshold: number): number {
  return scores.filter((score) => score >= threshold).length;
}

/** A threshold to begin with: just above all but the best ten, or the best itself of fewer. */
export function suggested(scores: readonly number[]): number {
  const sorted = [...scores].sort((a, b) => b - a);
  const place = sorted[Math.min(10, sorted.length) - 1];
  return place === undefined ? 0 : Math.floor(place * 1000) / 1000;
}

/** Lowest and highest threshold to choose from: below and above every score, in steps of 0.001. */
export function rangeOf(scores: readonly number[]): readonly [number, number] {
  const low = scores.reduce((least, score) => Math.min(least, score), Infinity), high = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  if (low > high) return [-1, 1];
  const margin = Math.max(0.1 * (high - low), 0.01);
  return [Math.floor(1000 * (low - margin)) / 1000, Math.ceil(1000 * (high + margin)) / 1000];
}
