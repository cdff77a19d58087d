/** Placeholder until the WebGPU backend stands here. */
import { DeviceError } from "../errors.ts";
import type { Backend } from "../record/backend.ts";

export async function createWebGPUBackend(_options: {
  adapter?: "hardware" | "software" | "null";
  powerPreference?: GPUPowerPreference;
}): Promise<Backend & { isHardware: boolean }> {
  throw new DeviceError('webgpu: not built yet; use init({ device: "cpu" })');
}
