// Numbers and places in words.
import { at } from "../../geometry/axis.ts";

// Of a similarity smaller than this, percentages say nothing.
const LEAST = 0.02;

/** "+0.0123" or "−0.0123"; two digits of what is smaller. */
export function signed(value: number): string {
  const size = Math.abs(value);
  return size > 0 && size < 0.00095 ? `${value < 0 ? "−" : "+"}${size.toPrecision(2)}` : fixed(value);
}

/** The same with four decimals, for columns of numbers. */
export function fixed(value: number): string {
  const text = Math.abs(value).toFixed(4);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** What share of the similarity a number is, as "12%"; "" where that would mislead. */
export function shareOf(value: number, similarity: number): string {
  if (Math.abs(similarity) < LEAST) return "";
  const percent = (100 * value) / similarity, digits = Math.abs(percent) < 9.95 ? 1 : 0;
  return `${percent.toFixed(digits).replace("-", "−")}%`;
}

/** "row 3, column 5", counted from 1. */
export function cellName(position: number, cols: number): string {
  return `row ${Math.floor(position / cols) + 1}, column ${(position % cols) + 1}`;
}

/** The position with the largest value. */
export function strongest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((best, value, position) => (value > at(values, best) ? position : best), 0);
}
