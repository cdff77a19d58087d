/**
 * A small Jest: collects the tests of one file and runs those that are asked for, in this process.
 *
 * It stands in for `@jest/globals` with what our tests use of it: `test`, `describe`, their `each`, hooks, `expect` (Jest's
 * own) and `jest.spyOn`. A file's tests can so be run a thousand times without starting Jest.
 */
import { format } from "node:util";
import { expect } from "expect";
import * as mock from "jest-mock";

/**
 * @typedef {() => unknown} Body
 * @typedef {{ beforeAll: Body[], beforeEach: Body[], afterEach: Body[], afterAll: Body[] }} Hooks
 * @typedef {{ name: string, parent: Block | null, hooks: Hooks }} Block
 * @typedef {{ name: string, block: Block, body: Body }} Test
 */

expect.extend({
  /** Of texts only: they are all that our snapshots hold. */
  toMatchInlineSnapshot(/** @type {unknown} */ received, /** @type {string} */ snapshot) {
    const shown = `"${String(received)}"`;
    const lines = shown.split("\n").map((line) => line.trim());
    const wanted = snapshot.trim().split("\n");
    const pass = lines.join("\n") === wanted.map((line) => line.trim()).join("\n");
    return { pass, message: () => `wanted ${snapshot}, got ${shown}` };
  },
});

/** One file's tests, as its code describes them. */
export class Suite {
  /** @type {Test[]} */
  tests = [];
  /** @type {Block} */
  #block = block("", null);

  /** What the file imports from `@jest/globals`. */
  globals() {
    const hook = (/** @type {keyof Hooks} */ kind) => (/** @type {Body} */ body) =>
      void this.#block.hooks[kind].push(body);
    const test = (/** @type {string} */ name, /** @type {Body} */ body) => {
      this.tests.push({ name: full(this.#block, name), block: this.#block, body });
    };
    const describe = (/** @type {string} */ name, /** @type {Body} */ body) => {
      const around = this.#block;
      this.#block = block(name, around);
      body();
      this.#block = around;
    };
    return {
      __esModule: true,
      expect,
      jest: { spyOn: mock.spyOn, fn: mock.fn },
      test: Object.assign(test, { each: each(test), skip: () => {} }),
      it: test,
      describe: Object.assign(describe, { each: each(describe), skip: () => {} }),
      beforeAll: hook("beforeAll"),
      beforeEach: hook("beforeEach"),
      afterEach: hook("afterEach"),
      afterAll: hook("afterAll"),
    };
  }

  /**
   * Runs tests, in the file's order, with the hooks of the blocks around them. What a last hook throws fails the last test.
   *
   * @param {readonly number[]} chosen  which; by place in the file
   * @param {(test: number, error: unknown) => boolean | undefined} ended
   *   told after each; `error` is undefined where it passed. Where it returns true, the rest is left out.
   * @param {(test: number) => void} begins
   */
  async run(chosen, ended, begins = () => {}) {
    /** Blocks whose `beforeAll` ran, outermost first. @type {Block[]} */
    const open = [];
    /** @type {unknown} */
    let broken;
    const close = async (/** @type {Block[]} */ until) => {
      while (open.length > until.length || open.some((one, i) => one !== until[i])) {
        const last = open.pop();
        for (const hook of last?.hooks.afterAll ?? []) {
          try {
            await hook();
          } catch (error) {
            broken ??= error;
          }
        }
      }
    };
    for (const [i, at] of chosen.entries()) {
      const { block, body } = this.tests[at];
      const path = pathTo(block);
      begins(at);
      /** @type {unknown} */
      let error;
      try {
        await close(open.filter((one, i) => one === path[i]));
        if (broken !== undefined) throw broken;
        for (const one of path.slice(open.length)) {
          open.push(one);
          for (const hook of one.hooks.beforeAll) await hook();
        }
        for (const one of path) for (const hook of one.hooks.beforeEach) await hook();
        await body();
      } catch (thrown) {
        error = thrown ?? new Error("a test threw nothing");
      }
      try {
        for (const one of [...path].reverse()) for (const hook of one.hooks.afterEach) await hook();
      } catch (thrown) {
        error ??= thrown;
      }
      if (i === chosen.length - 1) {
        await close([]);
        error ??= broken;
      }
      broken = undefined;
      if (ended(at, error)) break;
    }
    await close([]);
  }
}

/** @param {string} name @param {Block | null} parent @returns {Block} */
const block = (name, parent) => ({
  name,
  parent,
  hooks: { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] },
});

/** @param {Block | null} last @returns {Block[]} */
const pathTo = (last) => (last === null ? [] : [...pathTo(last.parent), last]);

/** @param {Block} around @param {string} name */
const full = (around, name) => [...pathTo(around).map((one) => one.name), name].filter(Boolean).join(" ");

/**
 * `test.each` and `describe.each`: a row that is an array is the arguments, and the name is filled in by `printf`'s rules.
 *
 * @param {(name: string, body: Body) => void} one
 */
const each =
  (one) =>
  (/** @type {readonly unknown[]} */ rows) =>
  (/** @type {string} */ name, /** @type {(...row: unknown[]) => unknown} */ body) => {
    for (const row of rows) {
      const values = Array.isArray(row) ? row : [row];
      const places = name.match(/%[sdifjop]/g)?.length ?? 0;
      one(format(name.replaceAll("%p", "%s"), ...values.slice(0, places)), () => body(...values));
    }
  };
