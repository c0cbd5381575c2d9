// What the address says besides the question: which hit is open, and the lowest score that is shown.

export interface Place {
  /** Id of the hit whose sum is open; "" for none. */
  readonly hit: string;
  /** Lowest score that is shown; undefined shows all. */
  readonly lowest: number | undefined;
}

const NUMBER = /^-?\d{1,6}(\.\d{1,6})?$/;

/** The place of an address; what is not well formed is left out. */
export function placeOf(parameters: URLSearchParams): Place {
  const lowest = parameters.get("min") ?? "";
  return { hit: parameters.get("hit") ?? "", lowest: NUMBER.test(lowest) ? Number(lowest) : undefined };
}

/** The parameters of a question together with those of a place. */
export function withPlace(question: URLSearchParams, place: Place): URLSearchParams {
  const parameters = new URLSearchParams(question);
  if (place.lowest !== undefined) parameters.set("min", place.lowest.toFixed(3));
  if (place.hit) parameters.set("hit", place.hit);
  return parameters;
}
