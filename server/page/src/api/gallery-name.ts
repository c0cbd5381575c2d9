// Which gallery of the server this page shows. Its name is in the address; without one, it is the server's default.

const PARAMETER = "gallery";

/**
 * The name in a fragment such as "#/search?gallery=people"; "" if there is none. An address is untrusted: the server refuses what
 * no gallery is called, so that nobody takes another gallery for the one that was named.
 */
export function nameIn(fragment: string): string {
  const at = fragment.indexOf("?");
  return at < 0 ? "" : new URLSearchParams(fragment.slice(at + 1)).get(PARAMETER) ?? "";
}

/** The parameters without the name of a gallery. */
export function withoutName(parameters: URLSearchParams): URLSearchParams {
  const rest = new URLSearchParams(parameters);
  rest.delete(PARAMETER);
  return rest;
}

/** The parameters with the name of a gallery; "" adds none. */
export function withName(parameters: URLSearchParams, name: string): URLSearchParams {
  const all = withoutName(parameters);
  if (name) all.set(PARAMETER, name);
  return all;
}
