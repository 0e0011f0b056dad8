/** Exit statuses of the `blockmill` command. A death by signal is 128 and its number, as everywhere. */
export const EXIT_STATUS = {
  /** It did what was asked. */
  ok: 0,
  /** It could not: a wrong configuration, an unreachable service, a check that found something. */
  failure: 1,
  /** The command line was not understood. */
  usage: 2,
  /** It was interrupted before its end. */
  interrupted: 130,
} as const
