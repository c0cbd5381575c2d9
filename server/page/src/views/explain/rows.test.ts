import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "../../geometry/axis.ts";
import { partialMap, transposed, type Pairs } from "../../geometry/pairs.ts";
import type { Side } from "../../explanation/explanation.ts";
import { FetchedRows, sample, WholeRows, type Covered } from "./rows.ts";

const A = 12, B = 10, MOST = 30;
const values = Float32Array.from({ length: A * B }, (_, i) => Math.fround(Math.cos(i * i)));
const pairs: Pairs = {
  rows: A, cols: B, values,
  bias: Float32Array.from({ length: A }, (_, i) => i / 7), otherBias: Float32Array.from({ length: B }, (_, i) => -i / 3),
};
const sides = { a: pairs, b: transposed(pairs) };

function rowsOf(side: Side, positions: readonly number[]): Pairs {
  const { cols, values: all, bias, otherBias } = sides[side];
  const picked = positions.flatMap((position) => [...all.subarray(position * cols, (position + 1) * cols)]);
  return { rows: positions.length, cols, values: Float32Array.from(picked), bias: Float32Array.from(positions, (i) => at(bias, i)), otherBias };
}

/** Fetched rows, the calls that they made, and a promise of quiet. */
function fetched(failing = false) {
  const calls: { side: Side; positions: readonly number[] }[] = [], problems: unknown[] = [], large: Side[] = [];
  const rows = new FetchedRows({
    positions: { a: A, b: B }, most: MOST,
    fetchRows: (side, positions) => {
      calls.push({ side, positions });
      return failing ? Promise.reject(new Error("away")) : Promise.resolve(rowsOf(side, positions));
    },
    fetchPartial: (side) => {
      large.push(side);
      return Promise.resolve({ values: new Float32Array(1), constant: 5 });
    },
    onChange: () => undefined,
    onProblem: (error) => problems.push(error),
  });
  return { rows, calls, problems, large };
}

const REGION = { kind: "box", x: 0, y: 0, width: 1, height: 1 } as const;

function covered(side: Side, ...positions: number[]): Covered {
  const shares = new Float32Array(side === "a" ? A : B);
  positions.forEach((position, i) => (shares[position] = 1 / (i + 1)));
  return { side, region: REGION, shares };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

async function until(rows: FetchedRows, asked: Covered) {
  for (let turn = 0; turn < 20; turn++) {
    const found = rows.partial(asked);
    if (found) return found;
    await settled();
  }
  return assert.fail("no map after 20 turns");
}

test("rows that are fetched give the maps of the whole matrix", async () => {
  const { rows, calls } = fetched();
  for (const asked of [covered("a", 3), covered("a", 0, 11, 5), covered("b", 9, 1)]) {
    const expected = partialMap(sides[asked.side], asked.shares);
    assert.deepEqual(await until(rows, asked), expected);
    assert.deepEqual(new WholeRows(pairs).partial(asked), expected);
  }
  for (const { side, positions } of calls) assert.ok(positions.length * (side === "a" ? B : A) <= MOST);
});

test("rows that are kept are not asked for again, and neighbours come along", async () => {
  const { rows, calls } = fetched();
  await until(rows, covered("a", 5));
  assert.ok(rows.partial(covered("a", 5)) && rows.partial(covered("a", 6, 4)));
  assert.deepEqual(calls, [{ side: "a", positions: [4, 5, 6] }]);
});

test("the server computes the map of a region with more rows than a call returns, once", async () => {
  const { rows, calls, large } = fetched(), asked = covered("a", 0, 1, 2, 3);
  assert.equal((await until(rows, asked)).constant, 5);
  assert.equal(rows.partial(asked)?.constant, 5);
  assert.deepEqual([calls, large], [[], ["a"]]);
});

test("only what is wanted last is asked for", async () => {
  const { rows, calls } = fetched();
  for (const position of [0, 4, 8, 11]) rows.partial(covered("a", position));
  await settled();
  assert.deepEqual(calls.map(({ positions }) => positions), [[0, 1, 2], [9, 10, 11]]);
});

test("a call that fails is reported once, and made again when it is wanted again", async () => {
  const { rows, calls, problems } = fetched(true);
  rows.partial(covered("b", 2));
  await settled();
  assert.deepEqual([calls.length, problems.length], [1, 1]);
  rows.partial(covered("b", 2));
  await settled();
  assert.equal(calls.length, 2);
});

test("samples are spread, in order, and fit into a call", () => {
  for (const [positions, others, most] of [[1024, 1024, 65536], [1, 1, 65536], [300, 10, 65536], [9, 100000, 65536]] as const) {
    const picked = sample(positions, others, most);
    assert.ok(picked.length === 1 || picked.length * others <= most);
    assert.deepEqual([...new Set(picked)].sort((a, b) => a - b), picked);
    assert.ok(at(picked, 0) >= 0 && (picked.at(-1) ?? positions) < positions);
  }
});
