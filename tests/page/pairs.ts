// Answers questions about explained pairs, one a line of JSON, for test_pairs.py: the functions that the page itself uses.
import { createInterface } from "node:readline";
import { coverage } from "../../server/page/src/geometry/coverage.ts";
import type { ExplainPairResponse } from "../../server/page/src/gen/partlens/v1/part_search_service_pb.ts";
import { contribution, pairOf, pairsOf } from "../../server/page/src/views/explain/pair.ts";
import { pinName, type Pin } from "../../server/page/src/explanation/explanation.ts";
import { WholeRows } from "../../server/page/src/views/explain/rows.ts";
import { sumTable } from "../../server/page/src/views/explain/sum-table.ts";

interface Asked {
  /** The server's answer; the bytes of the pair matrix in base64. */
  readonly answer: ExplainPairResponse;
  readonly matrix: string;
  readonly pins: readonly Pin[];
}

function answer({ answer: explained, matrix, pins }: Asked): unknown {
  const pair = pairOf(explained), { pairs } = explained;
  if (!pair || !pairs) throw new Error("the answer lacks a part");
  const rows = new WholeRows(pairsOf({ ...pairs, values: Uint8Array.from(Buffer.from(matrix, "base64")) }));
  const covered = pins.map((pin) => ({ ...pin, shares: coverage(pin.region, pair.grids[pin.side]) ?? new Float32Array() }));
  const partials = covered.map((one) => rows.partial(one));
  const table = sumTable(pair, covered.map((one, i) => ({ ...one, name: pinName(pins, i), map: partials[i]?.values })));
  return {
    partials: covered.map((one, i) => ({
      shares: [...one.shares], values: [...(partials[i]?.values ?? [])], constant: partials[i]?.constant,
      adds: contribution(pair, one.side, one.shares),
    })),
    table: { columns: table.columns, rows: table.rows },
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as Asked))}\n`);
}
