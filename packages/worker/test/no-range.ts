import type { RangePorts } from '../src/rows/run-range.ts'

/** For tests without batches: what these reach is not there. */
export const noRange: RangePorts = { publishPart: unexpected, throttle: unexpected }

async function unexpected(): Promise<never> {
  throw new Error('a test without batches emits rows')
}
