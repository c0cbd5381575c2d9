import { useEffect, useMemo } from "preact/hooks";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { LatestCall, type CallState } from "../api/call.ts";
import { galleryService } from "../api/clients.ts";
import { indexing } from "../api/server.ts";
import type { Facet as FacetMessage, GetFacetsResponse } from "../gen/partlens/v1/gallery_service_pb.ts";
import type { Where } from "../query/question.ts";
import { toFilter } from "../query/request.ts";
import type { Property } from "./conditions.ts";
import { countings, merged, type Counted, type Facet } from "./facets.ts";

// Most values to list of one property.
const MOST_VALUES = 100;

/** The counts of a filter's values; counted again when the filter changes, and when indexing ends. */
export function useFacets(where: Where): CallState<Counted> & { readonly again: () => void } {
  const call = useMemo(() => new LatestCall<Counted>(), []);
  const growing = indexing.value;
  useEffect(() => {
    void call.run((signal) => count(where, signal));
  }, [call, where, growing]);
  useEffect(() => () => call.clear(), [call]);
  return { ...call.state.value, again: call.again };
}

async function count(where: Where, signal: AbortSignal): Promise<Counted> {
  const [whole, ...others] = await Promise.all(countings(where).map(async ({ where: one, property }) => {
    const answer = await galleryService.getFacets({ filter: toFilter(one), values: MOST_VALUES }, { signal });
    return { property, counted: fromMessage(answer) };
  }));
  if (!whole) throw new RangeError("nothing was counted");
  const without = others.flatMap(({ property, counted }): [Property, Counted][] => (property ? [[property, counted]] : []));
  return merged(whole.counted, new Map(without));
}

function fromMessage(answer: GetFacetsResponse): Counted {
  const { capturedFirst, capturedLast } = answer;
  return {
    images: Number(answer.images),
    cameras: facetOf(answer.cameras),
    tracks: facetOf(answer.tracks),
    attributes: answer.attributes.map(facetOf),
    first: capturedFirst && timestampDate(capturedFirst).getTime(),
    last: capturedLast && timestampDate(capturedLast).getTime(),
  };
}

function facetOf(facet: FacetMessage | undefined): Facet {
  const values = (facet?.values ?? []).map(({ value, images }) => ({ value, images: Number(images) }));
  return { name: facet?.name ?? "", values, distinct: Number(facet?.distinct ?? 0) };
}
