// Explanations as parameters of an address, and back. An address is untrusted: what it does not hold well is left out.
import type { Sign } from "../heat/colours.ts";
import { refOf, refText, shapeOf, shapeText } from "../query/address.ts";
import { UNEXPLAINED, type Explanation, type Pin } from "./explanation.ts";

const SIGNS: readonly Sign[] = ["both", "positive", "negative"];

/** The parameters of an explanation; those of UNEXPLAINED are left out. */
export function toParameters({ a, b, pins, selected, map, bias, sign }: Explanation): URLSearchParams {
  const parameters = new URLSearchParams();
  if (a) parameters.set("a", refText(a));
  if (b) parameters.set("b", refText(b));
  for (const { side, region } of pins) parameters.append("region", `${side}:${shapeText(region)}`);
  if (selected !== undefined) parameters.set("pin", String(selected + 1));
  if (map !== UNEXPLAINED.map) parameters.set("map", map);
  if (!bias) parameters.set("bias", "no");
  if (sign !== UNEXPLAINED.sign) parameters.set("sign", sign);
  return parameters;
}

/** The explanation of parameters. */
export function fromParameters(parameters: URLSearchParams): Explanation {
  const ref = (name: string) => refOf(parameters.get(name) ?? "");
  const regions = parameters.getAll("region").flatMap((text) => pinOf(text) ?? []);
  // What a whole image explains is the whole similarity, which is another map.
  const pins = regions.filter(({ region }) => region.kind !== "whole"), whole = pins.length < regions.length;
  const selected = Number(parameters.get("pin") ?? NaN) - 1;
  return {
    a: ref("a"),
    b: ref("b"),
    pins,
    selected: pins[selected] && selected,
    map: whole || parameters.get("map") === "overall" ? "overall" : "partial",
    bias: parameters.get("bias") !== "no",
    sign: SIGNS.find((sign) => sign === parameters.get("sign")) ?? UNEXPLAINED.sign,
  };
}

/** The pin of "a:box:1,2,3,4"; undefined if it is none. */
function pinOf(text: string): Pin | undefined {
  const [, side, kind, body] = /^([ab]):(\w+):([\w.,:-]*)$/.exec(text) ?? [];
  if (kind === undefined || body === undefined) return undefined;
  const region = shapeOf(kind, body);
  return region && { side: side === "a" ? "a" : "b", region };
}
