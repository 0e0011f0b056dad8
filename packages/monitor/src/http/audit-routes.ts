import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

import type { AuditLog } from '../security/audit-log.ts'
import { AuditListSchema, AuditQuerySchema, auditView } from './audit-schemas.ts'
import { ProblemSchema } from './problem.ts'

/** `GET /audit`, for operators: who changed what, the newest first, a page at a time. */
export function auditRoutes({ audit }: { readonly audit: Pick<AuditLog, 'list'> }): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/audit',
      {
        config: { role: 'operator' },
        schema: {
          summary: 'Who changed what, the newest first, a page at a time; for operators',
          querystring: AuditQuerySchema,
          response: { 200: AuditListSchema, 400: ProblemSchema, 403: ProblemSchema },
        },
      },
      async ({ query }) => {
        const { entries, ...rest } = await audit.list(query)
        return { entries: entries.map(auditView), ...rest }
      },
    )
  }
}
