// Painted masks: as pixels, as runs, as the contract's bits, and as a text for addresses.
import { at } from "./axis.ts";
import type { Mask, Size } from "./region.ts";

// The largest mask that a server of default settings takes.
const MOST_PIXELS = 64_000_000;

/** The mask of pixels, one byte each; not 0 means inside. */
export function maskOf(pixels: ArrayLike<number>, size: Size): Mask {
  const runs: number[] = [];
  let inside = false, length = 0;
  for (let i = 0; i < size.width * size.height; i++) {
    if (Boolean(pixels[i]) !== inside) {
      runs.push(length);
      inside = !inside;
      length = 0;
    }
    length++;
  }
  return { ...size, runs: Uint32Array.from(inside ? [...runs, length] : runs) };
}

/** Pixels from `start` up to but not including `end`, counted row by row. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/** The mask of inside runs, which are ascending and neither overlap nor touch. */
export function ofRuns(inside: readonly Run[], { width, height }: Size): Mask {
  const runs = new Uint32Array(2 * inside.length);
  let pixel = 0;
  inside.forEach(({ start, end }, i) => {
    runs[2 * i] = start - pixel;
    runs[2 * i + 1] = end - start;
    pixel = end;
  });
  return { width, height, runs };
}

/** Its inside runs. */
export function* insideRuns(mask: Mask): Generator<Run> {
  let pixel = 0;
  for (let i = 0; i < mask.runs.length; i++) {
    const end = Math.min(pixel + at(mask.runs, i), mask.width * mask.height);
    if (i % 2 === 1 && end > pixel) yield { start: pixel, end };
    pixel = end;
  }
}

/** Its inside runs cut at the ends of rows: columns from `start` up to but not including `end` of row `y`. */
export function* rowRuns(mask: Mask): Generator<Run & { readonly y: number }> {
  for (const { start, end } of insideRuns(mask)) {
    for (let pixel = start; pixel < end; ) {
      const y = Math.floor(pixel / mask.width), x = pixel - y * mask.width, until = Math.min(end - y * mask.width, mask.width);
      yield { y, start: x, end: until };
      pixel = y * mask.width + until;
    }
  }
}

/** Its pixels, one byte each: 1 inside, 0 outside. */
export function pixelsOf(mask: Mask): Uint8Array {
  const pixels = new Uint8Array(mask.width * mask.height);
  for (const { start, end } of insideRuns(mask)) pixels.fill(1, start, end);
  return pixels;
}

/** Its pixels as the contract's BitMask: one bit each, the most significant first. */
export function toBits(mask: Mask): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(Math.ceil((mask.width * mask.height) / 8));
  const set = (from: number, until: number) => {
    for (let i = from; i < until; i++) bits[i >> 3] = at(bits, i >> 3) | (0x80 >> (i & 7));
  };
  for (const { start, end } of insideRuns(mask)) {
    const first = Math.min(end, 8 * Math.ceil(start / 8)), last = Math.max(first, 8 * Math.floor(end / 8));
    set(start, first);
    bits.fill(0xff, first / 8, last / 8);
    set(last, end);
  }
  return bits;
}

export function isEmpty(mask: Mask): boolean {
  return insideRuns(mask).next().done === true;
}

/** "WIDTHxHEIGHT:RUNS", the runs as variable-length numbers in base64 for addresses. */
export function toText(mask: Mask): string {
  const bytes: number[] = [];
  for (let run of mask.runs) {
    for (; run > 127; run >>>= 7) bytes.push((run & 127) | 128);
    bytes.push(run);
  }
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return `${mask.width}x${mask.height}:${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/** The mask of a text; undefined if it is none. */
export function fromText(text: string): Mask | undefined {
  const [, width, height, encoded] = /^(\d{1,6})x(\d{1,6}):([\w-]*)$/.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  const pixels = size.width * size.height;
  if (encoded === undefined || !(pixels > 0 && pixels <= MOST_PIXELS)) return undefined;
  let bytes: string;
  try {
    bytes = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return undefined;
  }
  const runs: number[] = [];
  let run = 0, factor = 1, total = 0;
  for (const byte of bytes) {
    const value = byte.charCodeAt(0);
    run += (value & 127) * factor;
    factor *= 128;
    if (value > 127) continue;
    total += run;
    if (total > pixels) return undefined;
    runs.push(run);
    run = 0;
    factor = 1;
  }
  return factor === 1 ? { ...size, runs: Uint32Array.from(runs) } : undefined;
}
