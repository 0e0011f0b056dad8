import type { Database } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

import { ASKED_STEPS, finestStep, MAX_SERIES, RATES_KEPT_MS, readRates } from '../statistics/rates.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import { TimeseriesQuerySchema, TimeseriesSchema } from './timeseries-schemas.ts'

export interface TimeseriesRoutesPorts {
  readonly database: Database
  readonly now: () => Date
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const MOST_STEPS = 240
/** About so many steps are a chart. */
const USUAL_STEPS = 120

/** A rule that a question breaks. */
interface BrokenRule {
  readonly field: string
  readonly message: string
}

/**
 * | route | answer |
 * | --- | --- |
 * | `GET /stats/timeseries` | how many tasks ended in each step of a time, and how |
 */
export function timeseriesRoutes({ database, now }: TimeseriesRoutesPorts): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/stats/timeseries',
      {
        schema: {
          summary: 'How many tasks ended in each step of a time, and how',
          querystring: TimeseriesQuerySchema,
          response: { 200: TimeseriesSchema, 400: ProblemSchema },
        },
      },
      async ({ query: { from, to, step, ...which } }, reply) => {
        const at = now()
        const end = to === undefined ? at : new Date(to)
        const begin = from === undefined ? new Date(end.getTime() - HOUR_MS) : new Date(from)
        const stepSeconds = step ?? usualStep(begin, end)
        const span = wholeSteps(begin, end, stepSeconds)
        const broken = brokenRule({ ...span, stepSeconds }, at)
        if (broken !== undefined) {
          return sendProblem(reply, 400, `The request is invalid: ${broken.field} ${broken.message}.`, [broken])
        }
        const series = await readRates(database.query, { ...span, stepSeconds, ...which })
        return {
          from: span.from.toISOString(),
          to: span.to.toISOString(),
          stepSeconds,
          series: series.map(({ group, counts }) => ({
            group,
            counts: Object.fromEntries(Object.entries(counts).map(([state, ends]) => [state, [...ends]])),
          })),
          isComplete: series.length < MAX_SERIES,
        }
      },
    )
  }
}

/** Whole steps since the epoch, which hold all of the time. */
function wholeSteps(begin: Date, end: Date, stepSeconds: number): { readonly from: Date; readonly to: Date } {
  const stepMs = stepSeconds * 1_000
  return {
    from: new Date(Math.floor(begin.getTime() / stepMs) * stepMs),
    to: new Date(Math.ceil(end.getTime() / stepMs) * stepMs),
  }
}

function usualStep(begin: Date, end: Date): number {
  const seconds = (end.getTime() - begin.getTime()) / 1_000
  return ASKED_STEPS.find((width) => seconds / width <= USUAL_STEPS) ?? 86_400
}

function brokenRule(
  { from, to, stepSeconds }: { readonly from: Date; readonly to: Date; readonly stepSeconds: number },
  now: Date,
): BrokenRule | undefined {
  if (from >= to) return { field: 'from', message: 'must be before to' }
  const steps = (to.getTime() - from.getTime()) / 1_000 / stepSeconds
  if (steps > MOST_STEPS) {
    return { field: 'step', message: `makes ${steps} steps; at most ${MOST_STEPS} are possible: make it longer` }
  }
  const ageMs = now.getTime() - from.getTime()
  const keptMs = RATES_KEPT_MS[finestStep(stepSeconds)]
  if (ageMs > keptMs + DAY_MS) {
    const days = keptMs / DAY_MS
    return { field: 'step', message: `is too short for so long ago: what it is made of is kept for ${days} days` }
  }
  return undefined
}
