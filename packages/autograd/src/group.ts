/**
 * Groups: parts of a graph that belong together, by name.
 *
 * While a *group* is open, every node that comes on the tape notes it, in forward and in a recorded backward alike. A
 * printed graph (see dot.ts) draws a group as one node, or a box around its nodes: an inner step, a layer, a loss.
 * Groups nest. Each call makes a new one, so that ten steps of one name are ten groups.
 */

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
let current: Group | null = null;

/** The innermost open group. */
export const currentGroup = (): Group | null => current;

/**
 * Runs a synchronous function, and marks what it puts on the tape as one part of the graph.
 *
 * @param name  what the printed graph calls it
 * @throws      TypeError if the function is async
 * @see         {@link makeDot}
 * @example     for (let k = 0; k < 5; k++) graphGroup(`step ${k}`, () => diffopt.step(loss(fmodel)));
 */
export function graphGroup<T>(name: string, fn: () => T): T {
  const outer = current;
  current = new Group(name, outer);
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new TypeError("graphGroup(name, fn): fn is async; group its synchronous parts instead");
    }
    return result;
  } finally {
    current = outer;
  }
}
