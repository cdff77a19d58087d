/**
 * Runs before every test file, in its environment: every plan that its tests make is checked, also those whose results
 * nobody looks at, and every device is audited at the end, or before it is destroyed.
 */
import { afterAll } from "@jest/globals";
import { checkProgram } from "../cpu/check-program.ts";
import { audit } from "../debug/audit.ts";
import { Holders, Ledger } from "../debug/ledger.ts";
import { watch } from "../debug/watch.ts";
import type { Device } from "../device.ts";
import { DeviceError } from "../errors.ts";
import { checkPlan } from "../plan/check-plan.ts";

const wrong: unknown[] = [];
const devices = new Set<Device>();

/** Throws what a check finds, and notes it: a test may expect an error, and take this one for it. */
function noted<T>(check: (of: T) => void): (of: T) => void {
  return (of) => {
    try {
      check(of);
    } catch (error) {
      wrong.push(error);
      throw error;
    }
  };
}

/** Notes what an audit finds. A device that was lost holds nothing any more. */
function audited(device: Device): void {
  try {
    device.audit();
  } catch (error) {
    if (!(error instanceof DeviceError)) wrong.push(error);
  }
}

const holders = new Holders();

watch({
  gpuPlan: noted(checkPlan),
  cpuPlan: noted(checkProgram),
  deviceMade: (device) => devices.add(device),
  deviceEnds: (device) => {
    devices.delete(device);
    audited(device);
  },
  deviceLost: (device) => devices.delete(device),
  holders,
  audit,
  ledger: () => new Ledger(holders),
});

afterAll(() => {
  for (const device of devices) audited(device);
  if (wrong.length > 0) throw wrong[0];
});
