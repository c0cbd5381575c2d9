// The pair that the address names: how the server sees each image, and the similarity of the two taken apart.
import { computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { LatestCall } from "../../api/call.ts";
import { searchService } from "../../api/clients.ts";
import { problemOf, type Problem } from "../../api/problem.ts";
import { gallery } from "../../api/server.ts";
import { replace, route } from "../../app/route.ts";
import type { DescribedQuery } from "../../gen/partlens/v1/image_pb.ts";
import {
  PairSide, type ExplainPairRequestSchema, type ExplainPairResponse,
} from "../../gen/partlens/v1/part_search_service_pb.ts";
import { refOf, refText } from "../../query/address.ts";
import type { ImageRef } from "../../query/question.ts";
import { toImage, toRegion } from "../../query/request.ts";
import { keepDescribed } from "../../query/store.ts";
import { addressOf } from "../../explanation/address.ts";
import { UNEXPLAINED, type Explanation, type Side } from "../../explanation/explanation.ts";
import { pairOf, pairsOf, scalesOf, type Pair, type Scales } from "./pair.ts";
import { fromParameters } from "../../explanation/parameters.ts";
import { FetchedRows, sample, WholeRows, type Rows } from "./rows.ts";

const MOST_PAIRS = 65_536;
export const PAIR_SIDES: Readonly<Record<Side, PairSide>> = { a: PairSide.QUERY, b: PairSide.RETRIEVED };

/** What the address says. */
export const explanation = computed<Explanation>(() =>
  route.value.view === "explain" ? fromParameters(route.value.parameters) : UNEXPLAINED,
);

/** Shows another state of the same pair; the back button skips it. */
export function change(next: Explanation): void {
  if (route.peek().view === "explain") replace(addressOf(next));
}

interface Described {
  readonly image: string;
  readonly query: DescribedQuery;
}

const images = { a: imageOf("a"), b: imageOf("b") };
const calls = { a: new LatestCall<Described>(), b: new LatestCall<Described>() };

// A text is equal to itself, so that a change of pins does not look like one of images.
function imageOf(side: Side): ReadonlySignal<string> {
  return computed(() => {
    const ref = explanation.value[side];
    return ref ? refText(ref) : "";
  });
}

/** The image of a side. */
export const refs = { a: computed(() => refOf(images.a.value)), b: computed(() => refOf(images.b.value)) };

/** How the server sees the image of a side; undefined while it is not known. */
export const described = { a: describedOf("a"), b: describedOf("b") };

function describedOf(side: Side): ReadonlySignal<DescribedQuery | undefined> {
  return computed(() => {
    const { answer, problem } = calls[side].state.value;
    return answer?.image === images[side].value && !problem ? answer.query : undefined;
  });
}

/** Why the image of a side cannot be used. */
export function imageProblem(side: Side): Problem | undefined {
  return calls[side].state.value.problem;
}

/** Asks again how the server sees the image of a side. */
export async function describe(side: Side): Promise<void> {
  const image = images[side].peek(), ref = refOf(image);
  if (!ref) {
    calls[side].clear();
    return;
  }
  const answer = await calls[side].run(async (abort) => {
    const { query } = await searchService.describeQuery({ image: toImage(ref) }, { signal: abort });
    if (!query) throw new Error("the server did not describe the image");
    return { image, query };
  });
  if (answer) keepDescribed(ref, answer.query);
}

/** A pair that is there to be explored. */
export interface Explained {
  readonly pair: Pair;
  readonly scales: Scales;
  readonly rows: Rows;
}

const explaining = new LatestCall<Explained>();

/** Why two images are similar; pending, there or failed. */
export const pairState = explaining.state;

/** The pair, if it is that of the address. */
export const explained = computed(() => {
  const { pending, answer, problem } = explaining.state.value;
  return pending || problem ? undefined : answer;
});

/** Why more of the pair could not be fetched. */
export const rowsProblem = signal<Problem | undefined>(undefined);

const arrived = signal(0);

/** The rows of the pair; whoever reads them is told when more have arrived. */
export const rows = computed<Rows | undefined>(() => {
  const now = explained.value?.rows;
  // A new object for each arrival.
  return now && arrived.value >= 0 ? { partial: (covered) => now.partial(covered) } : undefined;
});

/** Follows the address, until the returned function is called. */
export function startExplaining(): () => void {
  const stops = [
    images.a.subscribe(() => void describe("a")),
    images.b.subscribe(() => void describe("b")),
    effect(() => { void explain(described.a.value, described.b.value); }),
  ];
  return () => stops.forEach((stop) => stop());
}

/** Explains the pair again; for a person who wants to try once more. */
export function explainAgain(): void {
  void explain(described.a.peek(), described.b.peek());
}

let doubted = "";

async function explain(a: DescribedQuery | undefined, b: DescribedQuery | undefined): Promise<void> {
  rowsProblem.value = undefined;
  const query = refs.a.peek(), retrieved = refs.b.peek();
  if (!a || !b || !query || !retrieved) {
    explaining.clear();
    return;
  }
  const positions = { a: a.rows * a.cols, b: b.rows * b.cols };
  await explaining.run((abort) => fetchPair(query, retrieved, positions, abort));
  const reason = explaining.state.peek().problem?.reason, pair = `${images.a.peek()} ${images.b.peek()}`;
  if ((reason === "QUERY_UNKNOWN" || reason === "IMAGE_UNKNOWN") && doubted !== pair) {
    // Its own side says which of the images is gone; once only, so that nothing goes round in circles.
    doubted = pair;
    void describe("a");
    void describe("b");
  }
}

async function fetchPair(
  query: ImageRef, retrieved: ImageRef, positions: Readonly<Record<Side, number>>, abort: AbortSignal,
): Promise<Explained> {
  const ask = (more: MessageInitShape<typeof ExplainPairRequestSchema>): Promise<ExplainPairResponse> =>
    searchService.explainPair({ ...more, query: toImage(query), retrieved: toImage(retrieved) }, { signal: abort });
  const most = gallery.peek()?.limits?.pairs ?? MOST_PAIRS, whole = positions.a * positions.b <= most;
  // Of finer grids, a sample of rows gives the colour scale, and is the first that is kept.
  const sampled = whole ? [] : sample(positions.a, positions.b, most);
  const answer = await ask({ pairs: { positions: sampled } });
  const pair = pairOf(answer), matrix = answer.pairs;
  if (!pair || !matrix) throw new Error("the server's explanation lacks a part");
  const pairs = pairsOf(matrix), scales = scalesOf(pair, pairs);
  if (whole) return { pair, scales, rows: new WholeRows(pairs) };
  const rows = new FetchedRows({
    positions, most,
    fetchRows: async (side, asked) => matrixOf(await ask({ pairs: { side: PAIR_SIDES[side], positions: [...asked] } })),
    fetchPartial: async (side, region) => {
      const { partialMaps: [found] } = await ask({ regions: [{ side: PAIR_SIDES[side], region: toRegion(region) }] });
      return { values: Float32Array.from(found?.map?.values ?? []), constant: found?.constant ?? 0 };
    },
    onChange: () => { rowsProblem.value = undefined; arrived.value++; },
    onProblem: (error) => (rowsProblem.value = problemOf(error)),
  });
  rows.keep("a", sampled, pairs);
  return { pair, scales, rows };
}

function matrixOf({ pairs }: ExplainPairResponse) {
  if (!pairs) throw new Error("the server's explanation lacks the pairs that were asked for");
  return pairsOf(pairs);
}
