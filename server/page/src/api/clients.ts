// The server's services, called over Connect.
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { GalleryService } from "../gen/partlens/v1/gallery_service_pb.ts";
import { PartSearchService } from "../gen/partlens/v1/part_search_service_pb.ts";
import { ReportService } from "../gen/partlens/v1/report_service_pb.ts";
import { StandingQueryService } from "../gen/partlens/v1/standing_query_service_pb.ts";
import { token } from "./session.ts";

const withToken: Interceptor = (next) => (request) => {
  if (token.peek()) request.header.set("Authorization", `Bearer ${token.peek()}`);
  return next(request);
};

const transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [withToken],
  // Nothing of an answer is kept in the browser's cache.
  fetch: (input, init) => fetch(input, { ...init, cache: "no-store", credentials: "omit" }),
});

export const searchService = createClient(PartSearchService, transport);
export const galleryService = createClient(GalleryService, transport);
export const standingService = createClient(StandingQueryService, transport);
export const reportService = createClient(ReportService, transport);
