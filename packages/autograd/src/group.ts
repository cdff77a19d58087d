/**
 * Groups: parts of a graph that belong together, by name.
 *
 * While a *group* is open, every node that comes on the tape notes it, in forward and in a recorded backward alike. A
 * printed graph (see dot.ts) draws a group as one node, or a box around its nodes: an inner step, a layer, a loss.
 * Groups nest. Each call makes a new one, so that ten steps of one name are ten groups.
 */
import { admit, enclosed, find, Kind } from "@loopgrad/tensor";

/** One open-to-close span of a name. */
export class Group {
  readonly id = ++groupCount;

  constructor(
    readonly name: string,
    readonly parent: Group | null,
  ) {}

  /** The group of this line that lies directly in `ancestor`; null if it does not lie in it. */
  below(ancestor: Group | null): Group | null {
    let group: Group | null = this;
    while (group !== null && group.parent !== ancestor) group = group.parent;
    return group;
  }
}

let groupCount = 0;

const GROUP = new Kind<Group>("group");

/** The innermost open group. */
export const currentGroup = (): Group | null => find(GROUP)?.value ?? null;

/**
 * Runs a function, and marks what it puts on the tape as one part of the graph.
 *
 * @param name  what the printed graph calls it
 * @param fn    may be async: what else runs meanwhile is not marked
 * @see         {@link makeDot}
 * @example     for (let k = 0; k < 5; k++) graphGroup(`step ${k}`, () => diffopt.step(loss(fmodel)));
 */
export function graphGroup<T>(name: string, fn: () => T): T {
  admit(arguments, "graphGroup(name: string, fn: function)");
  return enclosed(GROUP, new Group(name, currentGroup()), fn);
}
