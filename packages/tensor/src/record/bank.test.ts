/** The bank: places in chunks, one after another, and chunks that come late or never. */
import { describe, expect, test } from "@jest/globals";
import { Bank, CHUNK, type Chunks } from "./bank.ts";

/** Chunks with numbers, in the states that a test gives them. */
class Numbered implements Chunks<number> {
  made = 0;
  dropped: number[] = [];

  make(): number {
    return this.made++;
  }
}

class Late extends Numbered {
  states: ("asked" | "made" | "failed" | "destroyed")[] = [];

  stateOf(chunk: number) {
    return this.states[chunk] ?? "asked";
  }

  drop(chunk: number): void {
    this.dropped.push(chunk);
  }
}

describe("places", () => {
  test("follow each other, and the next chunk begins where one does not fit any more", () => {
    const chunks = new Numbered();
    const bank = new Bank(chunks);
    expect(chunks.made).toBe(0);
    expect([bank.take(16), bank.take(1), bank.take(5)]).toEqual([
      { chunk: 0, offset: 0, size: 16 },
      { chunk: 0, offset: 16, size: 1 },
      { chunk: 0, offset: 17, size: 5 },
    ]);
    expect(bank.take(CHUNK - 22)).toEqual({ chunk: 0, offset: 22, size: CHUNK - 22 });
    expect(chunks.made).toBe(1);
    expect(bank.take(1)).toEqual({ chunk: 1, offset: 0, size: 1 });
    expect(bank.take(CHUNK)).toEqual({ chunk: 2, offset: 0, size: CHUNK });
    expect(chunks.made).toBe(3);
  });

  test("that were given back are taken again, by the same size", () => {
    const bank = new Bank(new Numbered());
    const [a, b, c] = [bank.take(2), bank.take(2), bank.take(3)];
    if (a === null || b === null || c === null) throw new Error("no place");
    for (const place of [a, b, c]) bank.give(place);
    expect(bank.take(3)).toBe(c);
    expect([bank.take(2), bank.take(2)]).toEqual([b, a]);
    expect(bank.take(2)).toEqual({ chunk: 0, offset: 7, size: 2 });
    expect(bank.take(3)).toEqual({ chunk: 0, offset: 9, size: 3 });
  });
});

describe("chunks that are known late", () => {
  test("give no place before they are there", () => {
    const chunks = new Late();
    const bank = new Bank(chunks);
    bank.prepare();
    expect(chunks.made).toBe(1);
    expect([bank.take(4), bank.take(4)]).toEqual([null, null]);
    expect(chunks.made).toBe(1);
    chunks.states[0] = "made";
    expect(bank.take(4)).toEqual({ chunk: 0, offset: 0, size: 4 });
  });

  test("are asked for when the one before is half full", () => {
    const chunks = new Late();
    const bank = new Bank(chunks);
    chunks.states = ["made"];
    bank.take(CHUNK / 2 - 1);
    expect(chunks.made).toBe(1);
    bank.take(1);
    expect(chunks.made).toBe(2);
    bank.take(CHUNK / 2);
    expect(chunks.made).toBe(2);
    expect(bank.take(1)).toBeNull();
    chunks.states[1] = "made";
    expect(bank.take(1)).toEqual({ chunk: 1, offset: 0, size: 1 });
  });

  test("that failed are given back, and others asked for", () => {
    const chunks = new Late();
    const bank = new Bank(chunks);
    bank.prepare();
    chunks.states = ["failed"];
    expect(bank.take(1)).toBeNull();
    expect([chunks.made, chunks.dropped]).toEqual([2, [0]]);
    chunks.states[1] = "made";
    expect(bank.take(1)).toEqual({ chunk: 1, offset: 0, size: 1 });
    expect(chunks.dropped).toEqual([0]);
  });
});
