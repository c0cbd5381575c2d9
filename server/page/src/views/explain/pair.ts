// The similarity of two images, taken apart: what the server says of a pair, and what follows from it.
import { fromHalf } from "../../geometry/half.ts";
import { Grid } from "../../geometry/grid.ts";
import { at } from "../../geometry/axis.ts";
import type { Pairs } from "../../geometry/pairs.ts";
import type { ExplainPairResponse, PairMatrix } from "../../gen/partlens/v1/part_search_service_pb.ts";
import { scaleOf, type Scale } from "../../heat/colours.ts";
import type { Side } from "../../explanation/explanation.ts";

/** The four sums that add up to the similarity; "place" stands for the positions of an image. */
export interface Terms {
  readonly placePlace: number;
  /** Places of A, bias of B. */
  readonly placeBias: number;
  /** Bias of A, places of B. */
  readonly biasPlace: number;
  readonly biasBias: number;
}

/** What each position of an image adds to the similarity: to the places of the other image, and to its bias as well. */
export interface Overall {
  readonly places: Float32Array;
  readonly withBias: Float32Array;
}

/** A is the contract's query image, B its retrieved image. */
export interface Pair {
  readonly similarity: number;
  readonly terms: Terms;
  readonly grids: Readonly<Record<Side, Grid>>;
  readonly overall: Readonly<Record<Side, Overall>>;
}

/** The pair of an answer; undefined if the answer lacks a part. */
export function pairOf(answer: ExplainPairResponse): Pair | undefined {
  const { terms, query, retrieved, similarity } = answer;
  const { queryMap, queryMapWithBias, retrievedMap, retrievedMapWithBias } = answer;
  if (!terms || !query || !retrieved || !queryMap || !queryMapWithBias || !retrievedMap || !retrievedMapWithBias) return undefined;
  return {
    similarity,
    terms: {
      placePlace: terms.positionPosition, placeBias: terms.positionBias, biasPlace: terms.biasPosition, biasBias: terms.biasBias,
    },
    grids: { a: new Grid(query, query), b: new Grid(retrieved, retrieved) },
    overall: {
      a: { places: Float32Array.from(queryMap.values), withBias: Float32Array.from(queryMapWithBias.values) },
      b: { places: Float32Array.from(retrievedMap.values), withBias: Float32Array.from(retrievedMapWithBias.values) },
    },
  };
}

/** The numbers of a matrix: one row for each of its positions. */
export function pairsOf({ values, scale, bias, otherBias, positions }: PairMatrix): Pairs {
  return {
    rows: positions.length, cols: otherBias.length, values: fromHalf(values, scale),
    bias: Float32Array.from(bias), otherBias: Float32Array.from(otherBias),
  };
}

/** What a region adds to the similarity, from the shares of each position that it covers. */
export function contribution({ overall }: Pair, side: Side, shares: Float32Array): { readonly places: number; readonly bias: number } {
  const { places, withBias } = overall[side];
  let onPlaces = 0, onBias = 0;
  shares.forEach((share, position) => {
    const place = at(places, position);
    onPlaces += share * place;
    onBias += share * (at(withBias, position) - place);
  });
  return { places: onPlaces, bias: onBias };
}

/**
 * The fixed colour scales of a pair. They do not depend on what is pointed at, so that colours mean the same while the mouse
 * moves. Points have the scale of all pairs of positions, which are the values of all their maps. Regions add up many points;
 * theirs is the scale of the whole similarity, of which they are parts, so that the two can be compared.
 */
export interface Scales {
  readonly point: Scale;
  readonly region: Scale;
  readonly overall: Scale;
  readonly overallWithBias: Scale;
}

export function scalesOf({ overall }: Pair, pairs: Pairs): Scales {
  const places = scaleOf([overall.a.places, overall.b.places]), point = scaleOf([pairs.values]);
  return { point, region: point.strongest > places.strongest ? point : places, overall: places, overallWithBias: scaleOf([overall.a.withBias, overall.b.withBias]) };
}
