/** What the one import for users holds. */
import { expect, test } from "@jest/globals";
import * as autograd from "@loopgrad/autograd";
import * as higherPackage from "@loopgrad/higher";
import * as nnPackage from "@loopgrad/nn";
import * as optimPackage from "@loopgrad/optim";
import * as tensor from "@loopgrad/tensor";
import * as loopgrad from "./index.ts";

/** Of @loopgrad/tensor: what devices, transforms and layers are built from, not what programs use. */
const BUILDING_BLOCKS = new Set([
  ...["INTERPOLATE", "renormalized"],
  ...[
    "PRIMITIVES",
    "SCALARS",
    "DTYPES",
    "asLeaf",
    "bind",
    "bindConstant",
    "bindUntracked",
    "broadcastShapes",
    "bytesPerElement",
  ],
  ...[
    "checkCreation",
    "checkDevice",
    "checkOptions",
    "checkShape",
    "contiguousStrides",
    "convAttrs",
    "convGeometry",
    "convOutput",
    "currentScope",
    "dtypeAttr",
    "dtypeCode",
  ],
  ...[
    "firstLargest",
    "fromHalf",
    "hostArray",
    "iota",
    "literal",
    "literalLike",
    "normalizeAxes",
    "normalizeAxis",
    "numel",
    "onBind",
    "pack",
    "packLayout",
    "PIECE_ALIGNMENT",
    "positions",
    "unpack",
  ],
  ...[
    "promote",
    "resolveShape",
    "resultDType",
    "sameShape",
    "scalar",
    "setLeafHook",
    "show",
    "surelyWithout",
    "toHalf",
    "untracked",
    "unwatched",
    "visitTensors",
    "watching",
  ],
  ...["wantArray", "wrap", "literals", "CREATION", "watching"],
  ...["admit", "checkMethods", "defineKind", "operation", "signatureOf", "signaturesOf"],
  ...["around", "enclosed", "enter", "find", "isExact", "Kind", "linesOf", "placeOf", "tracked"],
  ...["replaceStandIn", "syncScope", "withinScope", "withStandIns"],
  ...["insideVmap", "interpreted", "currentLevel", "openLevels", "levelsAround", "levelsOf", "levelsOfAll"],
  ...["changing", "isTrial", "checkTasks", "handleLike", "markTasks", "spreadOver", "valueFor", "withTasks"],
]);

const isPrimitive = (name: string): boolean => /[a-z0-9]P$/.test(name);

test("every operation is there, and no building block", () => {
  const missing = Object.keys(tensor).filter(
    (name) => !(name in loopgrad) && !BUILDING_BLOCKS.has(name) && !isPrimitive(name),
  );
  expect(missing).toEqual([]);
  expect(Object.keys(loopgrad).filter((name) => BUILDING_BLOCKS.has(name) || isPrimitive(name))).toEqual([]);
});

/** What the packages make available to each other. */
const FOR_PACKAGES = new Set([
  ...[
    "beginUpdate",
    "CheckpointChain",
    "disposeRecalled",
    "heldValues",
    "recall",
    "runsAround",
    "timeMark",
    "walkCounts",
  ],
  ...["checkFits", "init", "inScope", "snakeCase"],
  ...["checkRange", "isPresent", "minus", "movingAverage", "oneMinus", "over", "penalized", "plus", "power", "spread"],
  ...["squareRoot", "times"],
]);

test("the other packages are there under their names, and as namespaces", () => {
  const all = [autograd, nnPackage, optimPackage, higherPackage].flatMap((from) => Object.keys(from));
  expect(all.filter((name) => !(name in loopgrad)).sort()).toEqual(
    [...FOR_PACKAGES].filter((n) => n !== "init").sort(),
  );
  expect(loopgrad.nn).toBe(nnPackage);
  expect(loopgrad.optim).toBe(optimPackage);
  expect(loopgrad.higher).toBe(higherPackage);
});

test("init makes a device; initialisation is nn.init", () => {
  expect(loopgrad.init).toBe(tensor.init);
  expect(typeof loopgrad.nn.init.kaimingUniform).toBe("function");
});
