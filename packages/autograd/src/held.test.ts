/** What graphs hold: each saved value once, the oldest first. And groups: which lies in which. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, tensor } from "@loopgrad/tensor";
import { currentGroup, Group, graphGroup } from "./group.ts";
import { heldValues } from "./held.ts";
import { nodeOf } from "./tape.ts";
import "./methods.ts";

beforeAll(async () => {
  await init({ device: "cpu" });
});

describe("held values", () => {
  test("are those that nodes have saved, each once, by age", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const a = x.exp(); // saves itself
    const b = a.mul(x); // saves both
    const c = b.add(1); // saves nothing
    const held = heldValues([c, b], 0);
    const ages = held.map(({ at }) => at);
    expect(ages).toEqual([...ages].sort((p, q) => p - q));
    expect(held.map(({ value }) => value)).toEqual([a._live(), x._live()]);
    expect(ages).toEqual([nodeOf(a)?.seq, nodeOf(b)?.seq]);
  });

  test("of nodes that came before the mark none is looked at", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const a = x.exp();
    const b = a.sin();
    const since = nodeOf(b)?.seq ?? 0;
    expect(heldValues([b], since).map(({ at }) => at)).toEqual([since]);
    expect(heldValues([b], since + 1)).toEqual([]);
    expect(heldValues([tensor([1])], 0)).toEqual([]);
  });
});

describe("groups", () => {
  test("nest, and end with their function", () => {
    expect(currentGroup()).toBeNull();
    graphGroup("outer", () => {
      const outer = currentGroup();
      expect([outer?.name, outer?.parent]).toEqual(["outer", null]);
      graphGroup("inner", () => expect([currentGroup()?.name, currentGroup()?.parent]).toEqual(["inner", outer]));
      expect(currentGroup()).toBe(outer);
    });
    expect(currentGroup()).toBeNull();
  });

  test("each has a number of its own, and knows the one that lies directly in another", () => {
    const a = new Group("a", null);
    const b = new Group("b", a);
    const c = new Group("c", b);
    const other = new Group("a", null);
    expect(new Set([a, b, c, other].map(({ id }) => id)).size).toBe(4);
    expect(b.id).toBe(a.id + 1);
    expect([c.below(null), c.below(a), c.below(b), c.below(c), c.below(other)]).toEqual([a, b, c, null, null]);
  });
});
