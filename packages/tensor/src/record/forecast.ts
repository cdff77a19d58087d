/**
 * The forecast: what the program will ask for again.
 *
 * A value that something consumed is not stored at a flush, though its handle is there: mostly nobody wants it. What a
 * loop carries from one step to the next is wanted, and would be computed twice at every step. So a *profile* notes, for
 * a structure of segments (their words), at which *places* (nodes) values were asked for after its last replays. These
 * are stored at once from the next replay on. A place that nobody asks for any more is forgotten after as many replays as
 * it was asked for, three at most: a program that looks at something once does not pay for it for ever.
 *
 * Structures go by their hash alone. Should two have the same, something is stored that need not be.
 */

/** Replays that a place is remembered for without being asked for, at most. */
const MEMORY = 3;

/** Profiles that are kept. The oldest goes first. */
const MAX_PROFILES = 4096;

interface Profile {
  /** For each place how many replays it will be remembered for. */
  readonly places: Map<number, number>;
  /** Places that were asked for since the last replay. */
  readonly asked: Set<number>;
}

export class Forecast {
  readonly #profiles = new Map<number, Profile>();

  /** Notes that the program asked, after a flush, for the value at a place of that flush's segment. */
  asked(structure: number, place: number): void {
    let profile = this.#profiles.get(structure);
    if (profile === undefined) {
      if (this.#profiles.size >= MAX_PROFILES) this.#forgetOldest();
      profile = { places: new Map(), asked: new Set() };
      this.#profiles.set(structure, profile);
    }
    profile.asked.add(place);
  }

  /** At a replay: the places whose values will be asked for; null for none. Valid until the structure's next replay. */
  expected(structure: number): ReadonlyMap<number, number> | null {
    const profile = this.#profiles.get(structure);
    if (profile === undefined) return null;
    const { places, asked } = profile;
    for (const [place, left] of places) {
      if (asked.has(place)) continue;
      if (left > 1) places.set(place, left - 1);
      else places.delete(place);
    }
    for (const place of asked) places.set(place, Math.min((places.get(place) ?? 0) + 1, MEMORY));
    asked.clear();
    if (places.size > 0) return places;
    this.#profiles.delete(structure);
    return null;
  }

  #forgetOldest(): void {
    for (const structure of this.#profiles.keys()) {
      this.#profiles.delete(structure);
      return;
    }
  }
}
