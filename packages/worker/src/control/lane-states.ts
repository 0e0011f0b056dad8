import { type Lane, LANES, type LaneState } from '@blockmill/core'

/** What a worker knows of pauses. */
export interface LaneStates {
  isPaused(queue: string, lane: Lane): boolean
  /** Lanes that are paused now. */
  paused(): LaneState[]
  /**
   * Takes over what is newer than what is known: orders and states may arrive in any order.
   *
   * @returns true when the lane is paused now and was not, or the other way round.
   */
  learn(state: LaneState): boolean
}

/** Knows of the lanes of these queues alone. */
export function createLaneStates(queues: readonly string[]): LaneStates {
  const states = new Map<string, LaneState>()
  const key = (queue: string, lane: Lane): string => `${queue}.${lane}`
  const known = new Set(queues.flatMap((queue) => LANES.map((lane) => key(queue, lane))))
  return {
    isPaused: (queue, lane) => states.get(key(queue, lane))?.paused ?? false,
    paused: () => [...states.values()].filter(({ paused }) => paused),
    learn(state) {
      const name = key(state.queue, state.lane)
      const present = states.get(name)
      if (!known.has(name) || (present !== undefined && present.changedAt >= state.changedAt)) return false
      states.set(name, state)
      return (present?.paused ?? false) !== state.paused
    },
  }
}
