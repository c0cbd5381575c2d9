import { create } from "@bufbuild/protobuf";
import { useEffect, useMemo } from "preact/hooks";
import { LatestCall, type CallState } from "../../../api/call.ts";
import { searchService } from "../../../api/clients.ts";
import { FilterSchema } from "../../../gen/partlens/v1/image_pb.ts";
import { MapKind, type Hit } from "../../../gen/partlens/v1/part_search_service_pb.ts";
import type { Question } from "../../../query/question.ts";
import { toRequest } from "../../../query/request.ts";

export interface Details {
  readonly id: string;
  /** The hit with all its maps; undefined if the search does not find that image. */
  readonly hit: Hit | undefined;
}

/** One hit with the map of its score, of each region and of each whole query image: the same search, for this image only. */
export function useDetails(asked: Question, id: string): CallState<Details> & { readonly again: () => void } {
  const call = useMemo(() => new LatestCall<Details>(), []);
  useEffect(() => {
    void call.run(async (signal) => ({ id, hit: await search(asked, id, signal) }));
  }, [call, asked, id]);
  useEffect(() => () => call.clear(), [call]);
  return { ...call.state.value, again: call.again };
}

async function search(asked: Question, id: string, signal: AbortSignal): Promise<Hit | undefined> {
  const request = toRequest(asked), filter = create(FilterSchema, { ...request.filter, ids: [id] });
  const maps = [MapKind.SCORE, MapKind.REGIONS, MapKind.OVERALL];
  const { hits } = await searchService.searchRegions({ ...request, filter, maps, includeThumbnails: true, pageSize: 1 }, { signal });
  return hits.find((hit) => hit.id === id);
}
