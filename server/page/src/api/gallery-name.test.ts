import assert from "node:assert/strict";
import { test } from "node:test";
import { nameIn, withName, withoutName } from "./gallery-name.ts";

test("a name in an address is found, even one that no gallery can have: the server refuses it", () => {
  for (const name of ["people-v2", "A", "../a", "__proto__"]) assert.equal(nameIn(`#/search?region=1&gallery=${encodeURIComponent(name)}`), name);
  for (const none of ["", "#/", "#/search", "#/image/gallery=a", "#/search?gallery="]) {
    assert.equal(nameIn(none), "", none);
  }
});

test("a name is added once, and taken away", () => {
  const given = new URLSearchParams("camera=a&gallery=old");
  assert.equal(withName(given, "new").toString(), "camera=a&gallery=new");
  assert.equal(withName(given, "").toString(), "camera=a");
  assert.equal(withoutName(given).toString(), "camera=a");
});
