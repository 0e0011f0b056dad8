import type { BlockRange, Database } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'

import type { CoverageFilter } from './coverage-filter.ts'
import {
  CoverageListSchema,
  CoverageQuerySchema,
  type GapList,
  GapListSchema,
  GapsQuerySchema,
} from './coverage-schemas.ts'
import type { SomeBlocks } from './open-blocks.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import { readCoverage } from './read-coverage.ts'
import { type GapsView, readGaps } from './read-gaps.ts'

/**
 * | route | answer |
 * | --- | --- |
 * | `GET /coverage` | evaluated blocks, missing blocks and counts of open work per chain, task and arguments |
 * | `GET /gaps` | missing, unfinished and failed blocks per chain, task and arguments, a page at a time |
 *
 * Both answer 404 when chain, task or arguments are named and nothing of that name is on record: an empty list would look
 * like all is well.
 */
export function coverageRoutes({ database }: { readonly database: Database }): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/coverage',
      {
        schema: {
          summary: 'Evaluated blocks, gaps and open work per chain, task and arguments',
          querystring: CoverageQuerySchema,
          response: { 200: CoverageListSchema, 400: ProblemSchema, 404: ProblemSchema },
        },
      },
      async ({ query }, reply) => {
        if (isUpsideDown(query)) return refuseRange(reply, query)
        const coverage = await readCoverage(database.query, query)
        if (coverage.length === 0 && isNamed(query)) return refuseName(reply, query)
        return {
          coverage: coverage.map((one) => ({
            ...one,
            evaluated: { ...one.evaluated, ranges: mutable(one.evaluated.ranges) },
            gaps: { ...one.gaps, ranges: mutable(one.gaps.ranges) },
            updatedAt: one.updatedAt.toISOString(),
          })),
        }
      },
    )
    app.get(
      '/gaps',
      {
        schema: {
          summary: 'Missing, unfinished and failed blocks per chain, task and arguments, a page at a time',
          querystring: GapsQuerySchema,
          response: { 200: GapListSchema, 400: ProblemSchema, 404: ProblemSchema },
        },
      },
      async ({ query }, reply) => {
        if (isUpsideDown(query)) return refuseRange(reply, query)
        const page = await readGaps(database.query, query)
        if (page.gaps.length === 0 && query.cursor === undefined && isNamed(query)) return refuseName(reply, query)
        return { ...page, gaps: page.gaps.map(gapsOf) }
      },
    )
  }
}

function gapsOf({ missing, unfinished, failed, updatedAt, ...rest }: GapsView): GapList['gaps'][number] {
  const blocks = (some: SomeBlocks) => ({ ...some, ranges: mutable(some.ranges) })
  return {
    ...rest,
    missing: blocks(missing),
    unfinished: blocks(unfinished),
    failed: blocks(failed),
    updatedAt: updatedAt.toISOString(),
  }
}

// The schemas' types have mutable lists.
function mutable(ranges: readonly BlockRange[]): BlockRange[] {
  return [...ranges]
}

function isUpsideDown({ from = 0, to = Number.MAX_SAFE_INTEGER }: CoverageFilter): boolean {
  return from > to
}

function refuseRange(reply: FastifyReply, { from, to }: CoverageFilter): FastifyReply {
  const message = `must not be above to: ${from} is, ${to} was given`
  return sendProblem(reply, 400, `The request is invalid: from ${message}.`, [{ field: 'from', message }])
}

function isNamed({ chain, task, argsHash }: CoverageFilter): boolean {
  return (chain ?? task ?? argsHash) !== undefined
}

function refuseName(reply: FastifyReply, { chain, task, argsHash }: CoverageFilter): FastifyReply {
  const names = Object.entries({ chain, task, argsHash }).filter(([, value]) => value !== undefined)
  const asked = names.map(([name, value]) => `${name} ${value}`).join(', ')
  return sendProblem(reply, 404, `There is no coverage of ${asked} on record.`)
}
