import assert from "node:assert/strict";
import { test } from "node:test";
import { nameIn, withName, withoutName } from "./gallery-name.ts";

test("a name in an address is found, and nothing that cannot be one", () => {
  assert.equal(nameIn("#/search?region=1&gallery=people-v2"), "people-v2");
  for (const none of ["", "#/", "#/search", "#/image/gallery=a", "#/search?gallery=", "#/search?gallery=../a", "#/search?gallery=A"]) {
    assert.equal(nameIn(none), "", none);
  }
});

test("a name is added once, and taken away", () => {
  const given = new URLSearchParams("camera=a&gallery=old");
  assert.equal(withName(given, "new").toString(), "camera=a&gallery=new");
  assert.equal(withName(given, "").toString(), "camera=a");
  assert.equal(withoutName(given).toString(), "camera=a");
});
