/**
 * Episodes: small classification tasks drawn from Omniglot.
 *
 * An episode has `ways` classes, `shots` drawings of each to learn from (the *support set*) and `queries` others to be
 * judged by (the *query set*). Which characters, which drawings and which label each gets is drawn anew every time.
 */
import { tensor } from "loopgrad";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus, xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import type { Batch, Task } from "../meta-learning/methods.ts";
import { type Omniglot, SIDE, unpackDrawing } from "./data.ts";

export interface EpisodeShape {
  readonly ways: number;
  readonly shots: number;
  readonly queries: number;
  /** Quarter turns of a character count as characters of their own. */
  readonly rotations: boolean;
}

/** Draws episodes from a set of characters. Its state can be saved, so that a run goes on where it stopped. */
export class Episodes {
  #random: ReturnType<typeof xoroshiro128plus>;

  constructor(
    readonly data: Omniglot,
    readonly characters: readonly number[],
    readonly shape: EpisodeShape,
    seed: number,
  ) {
    const { ways, shots, queries } = shape;
    if (shots + queries > data.drawings) {
      throw new RangeError(
        `${shots} shots and ${queries} queries are more than the ${data.drawings} drawings of a character`,
      );
    }
    const classes = characters.length * (shape.rotations ? 4 : 1);
    if (ways > classes) throw new RangeError(`${ways} ways are more than the ${classes} classes`);
    this.#random = xoroshiro128plus(seed);
  }

  /** Where its random numbers stand. */
  stateDict(): { random: readonly number[] } {
    return { random: this.#random.getState() };
  }

  loadStateDict({ random }: { random: readonly number[] }): void {
    this.#random = xoroshiro128plusFromState(random);
  }

  /** Draws some, stacked: x is [count, drawings, 1, 28, 28], y [count, drawings]. */
  next(count: number): Task {
    const { ways, shots, queries } = this.shape;
    const [support, query] = [emptyBatch(count, ways * shots), emptyBatch(count, ways * queries)];
    for (let episode = 0; episode < count; episode++) this.#draw(support, query, episode);
    return { support: toTensors(support), query: toTensors(query) };
  }

  /** Draws one, into the place of its number. */
  #draw(support: HostBatch, query: HostBatch, episode: number): void {
    const { ways, shots, queries, rotations } = this.shape;
    const turns = rotations ? 4 : 1;
    this.#distinct(this.characters.length * turns, ways).forEach((chosen, label) => {
      const character = this.characters[Math.floor(chosen / turns)];
      const rotation = chosen % turns;
      this.#distinct(this.data.drawings, shots + queries).forEach((drawing, i) => {
        const [batch, place] = i < shots ? [support, label * shots + i] : [query, label * queries + i - shots];
        const row = episode * batch.drawings + place;
        unpackDrawing(this.data, { character, drawing, rotation }, batch.x, row * SIDE * SIDE);
        batch.y[row] = label;
      });
    });
  }

  /** `count` different whole numbers below `limit`, in random order. */
  #distinct(limit: number, count: number): number[] {
    const chosen = new Set<number>();
    while (chosen.size < count) chosen.add(uniformInt(this.#random, 0, limit - 1));
    return [...chosen];
  }
}

/** Drawings of some episodes, of each as many. */
const emptyBatch = (count: number, drawings: number) => ({
  count,
  drawings,
  x: new Float32Array(count * drawings * SIDE * SIDE),
  y: new Int32Array(count * drawings),
});

type HostBatch = ReturnType<typeof emptyBatch>;

const toTensors = ({ count, drawings, x, y }: HostBatch): Batch => ({
  x: tensor(x, { shape: [count, drawings, 1, SIDE, SIDE] }),
  y: tensor(y, { shape: [count, drawings] }),
});
