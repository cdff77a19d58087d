/**
 * Errors: one class per kind, so that a program can tell a mistake in shapes from a lost device.
 *
 * A message says what was given, what was wanted, and where it helps, what to do.
 */

/** Base class of every error that loopgrad throws on purpose. */
export class LoopgradError extends Error {
  override name = "LoopgradError";
}

/** Shapes, axes or indices that do not fit the operation. */
export class ShapeError extends LoopgradError {
  override name = "ShapeError";
}

/** A dtype that the operation or the device does not take. */
export class DTypeError extends LoopgradError {
  override name = "DTypeError";
}

/** Misuse of the tape: a freed graph, an unused input, a gradient of an integer. */
export class GradError extends LoopgradError {
  override name = "GradError";
}

/** No adapter, a lost device, a limit exceeded, memory exhausted, tensors of two devices in one operation. */
export class DeviceError extends LoopgradError {
  override name = "DeviceError";
}

/** @internal What is wanted does not fit into the device's memory, its budget or one of its bindings. Users see a DeviceError. */
export class MemoryError extends DeviceError {}

/** A tensor was used after its scope (or `dispose`) released it. */
export class ReleasedError extends LoopgradError {
  override name = "ReleasedError";
}

/** An option or argument that is unknown or out of range. */
export class ArgumentError extends LoopgradError {
  override name = "ArgumentError";
}

/** An index, a class or a token that lies outside its axis. What only the device knew of shows at the next read. */
export class IndexError extends ArgumentError {
  override name = "IndexError";
}
