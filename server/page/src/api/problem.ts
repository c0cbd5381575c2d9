// What went wrong with a call, in words, and what a person can do about it.
import { Code, ConnectError } from "@connectrpc/connect";

/** What a person can do about a problem. */
export type Way = "retry" | "sign-in" | "change" | "none";

export interface Problem {
  readonly title: string;
  /** What was given, what is allowed, and what to do; from the server where it knows more. */
  readonly text: string;
  readonly way: Way;
  /** Reason for programs, such as QUERY_UNKNOWN; "" if there is none. */
  readonly reason: string;
  /** Seconds after which the same call may succeed; undefined if it will not by itself. */
  readonly retrySeconds?: number | undefined;
}

const AWAY: Problem = {
  title: "The server does not answer", way: "retry", reason: "AWAY", retrySeconds: 2,
  text: "It may be restarting, or the connection is lost. This page tries again by itself.",
};

const TITLES: Readonly<Record<string, string>> = {
  NOT_READY: "The server is still loading its galleries",
  QUERY_UNKNOWN: "This picture is no longer kept",
  GALLERY_UNKNOWN: "There is no such gallery",
  IMAGE_UNKNOWN: "This image is not in the gallery",
  IMAGE_INVALID: "This picture cannot be used",
  REGION_INVALID: "This region cannot be used",
  PICTURE_UNAVAILABLE: "The original picture is not available",
  STANDING_QUERY_UNKNOWN: "This standing query no longer exists",
  PAGE_TOKEN_STALE: "The gallery has changed",
  GALLERY_LOCKED: "Another process is writing to the gallery",
  OVERLOADED: "The server is busy",
  RATE_EXCEEDED: "Too many requests in a short time",
  STOPPING: "The server is stopping",
};

const TEXTS: Readonly<Record<string, string>> = {
  PAGE_TOKEN_STALE: "Search again to continue with its current pictures.",
  NOT_READY: "This page goes on by itself as soon as the server is ready.",
  QUERY_UNKNOWN: "The server keeps pictures for a limited time and number. Choose the picture again to search with it.",
};

/** A picture that is not added. */
export function notAdded(text: string): Problem {
  return { title: "Not added", text, way: "change", reason: "" };
}

/** The problem behind anything that a call throws; undefined if the call was cancelled by this page. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof DOMException && error.name === "AbortError") return undefined;
  if (error instanceof DOMException && error.name === "NotReadableError") return notAdded("The file has changed or is gone. Choose it again.");
  const failed = ConnectError.from(error);
  if (failed.code === Code.Canceled) return undefined;
  const { reason, retrySeconds } = details(failed);
  const text = TEXTS[reason] ?? named(failed.rawMessage);
  if (failed.code === Code.Unauthenticated) {
    return { title: "This server needs a token", text, way: "sign-in", reason: reason || "UNAUTHENTICATED" };
  }
  if (failed.code === Code.PermissionDenied) {
    return { title: "Your token does not allow this", text, way: "sign-in", reason: reason || "FORBIDDEN" };
  }
  if (!reason && (failed.code === Code.Unknown || failed.code === Code.Unavailable)) return AWAY;
  const title = TITLES[reason] ?? "This did not work";
  const busy = failed.code === Code.Unavailable || failed.code === Code.ResourceExhausted;
  const way = busy || failed.code === Code.DeadlineExceeded ? "retry" : reason === "INTERNAL" ? "none" : "change";
  return { title, text, way, reason, retrySeconds: retrySeconds ?? (busy ? 2 : undefined) };
}

// The server names fields of the request; a person sees numbers, counted from 1.
function named(message: string): string {
  return message.replace(/^(?:image\.)?data: /, "").replace(/^regions\[(\d+)\](?:\.\w+)*: /, (_, index: string) => `Region ${Number(index) + 1}: `);
}

// Connect sends errors as JSON, with a readable form of each detail.
function details(failed: ConnectError): { reason: string; retrySeconds: number | undefined } {
  let reason = "", retrySeconds: number | undefined;
  for (const detail of failed.details) {
    if (!("debug" in detail) || typeof detail.debug !== "object" || detail.debug === null) continue;
    if (Array.isArray(detail.debug)) continue;
    const { reason: given, retryDelay } = detail.debug;
    if (detail.type === "google.rpc.ErrorInfo" && typeof given === "string") reason = given;
    if (detail.type === "google.rpc.RetryInfo" && typeof retryDelay === "string") retrySeconds = parseFloat(retryDelay);
  }
  return { reason, retrySeconds };
}
