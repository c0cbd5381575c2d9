// The server's services, called over Connect.
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { GalleryService } from "../gen/partlens/v1/gallery_service_pb.ts";
import { PartSearchService } from "../gen/partlens/v1/part_search_service_pb.ts";
import { ReportService } from "../gen/partlens/v1/report_service_pb.ts";
import { StandingQueryService } from "../gen/partlens/v1/standing_query_service_pb.ts";
import { nameIn } from "./gallery-name.ts";
import { problemOf } from "./problem.ts";
import { doubts, token } from "./session.ts";

/** Name of the gallery that every call of this page gives; "" for the server's default. Another one needs a fresh page. */
export const shownGallery = nameIn(location.hash);

const withToken: Interceptor = (next) => async (request) => {
  const sent = token.peek();
  if (sent) request.header.set("Authorization", `Bearer ${sent}`);
  try {
    return await next(request);
  } catch (error) {
    // The call that follows the server sees its own failures.
    const follows = request.method === GalleryService.method.getGallery;
    const refused = sent === token.peek() && ConnectError.from(error).code === Code.Unauthenticated;
    if (!follows && (refused || problemOf(error)?.reason === "AWAY")) doubts.value++;
    throw error;
  }
};

interface MayName {
  gallery?: string;
  search?: MayName;
  pair?: MayName;
}

// Puts the name of the gallery into a request, or into the one inside it.
function name<T extends Message>(message: T): T {
  const outer: MayName = message as T & MayName, naming = outer.search ?? outer.pair ?? outer;
  if (typeof naming.gallery === "string") naming.gallery = shownGallery;
  return message;
}

const withGallery: Interceptor = (next) => (request) => {
  if (!shownGallery) return next(request);
  if (!request.stream) return next({ ...request, message: name(request.message) });
  const messages = request.message;
  return next({ ...request, message: (async function* named() { for await (const one of messages) yield name(one); })() });
};

const transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [withToken, withGallery],
  // Nothing of an answer is kept in the browser's cache.
  fetch: (input, init) => fetch(input, { ...init, cache: "no-store", credentials: "omit" }),
});

export const searchService = createClient(PartSearchService, transport);
export const galleryService = createClient(GalleryService, transport);
export const standingService = createClient(StandingQueryService, transport);
export const reportService = createClient(ReportService, transport);
