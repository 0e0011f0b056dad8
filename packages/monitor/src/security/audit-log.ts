import type { Database } from '@blockmill/core'

import type { Identity, Role } from './access.ts'
import { redactParams } from './redact-params.ts'

/** A request, or a command, that changes something. */
export interface AuditedRequest extends Identity {
  /** Where it came from: of a command the user and the host. */
  readonly address: string
  /** `CLI` of a command. */
  readonly method: string
  /** With placeholders: `/api/v1/backfills/:id/pause`; of a command its words: `backfill pause`. */
  readonly route: string
  /** Stored redacted. */
  readonly params: unknown
}

/** What is on record of such a request. */
export interface AuditEntry extends AuditedRequest {
  readonly id: number
  readonly at: Date
  /** HTTP status of the answer, or exit status of the command; null as long as there is none, and when the process died before. */
  readonly status: number | null
}

export interface AuditFilter {
  readonly role?: Role | undefined
  readonly actor?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** Only entries below this id. */
  readonly cursor?: number | undefined
  /** Default 50. */
  readonly limit?: number | undefined
}

/** Remembers who changed what. */
export interface AuditLog {
  /** Puts a request on record, before it does anything unless its answer is known. Resolves with the entry's id. */
  readonly write: (request: AuditedRequest, status?: number) => Promise<number>
  /** Adds the answer. */
  readonly finish: (id: number, status: number) => Promise<void>
  /** The newest first. */
  readonly list: (filter: AuditFilter) => Promise<{ readonly entries: AuditEntry[]; readonly nextCursor?: number }>
}

const DEFAULT_LIMIT = 50

/** An audit log in the table `blockmill.audit`. */
export function createAuditLog({ query }: Pick<Database, 'query'>): AuditLog {
  return {
    async write({ role, actor, address, method, route, params }, status) {
      const [row] = await query<{ id: number }>(
        `insert into blockmill.audit (role, actor, address, method, route, params, status)
         values ($1, $2, $3, $4, $5, $6::jsonb, $7) returning id`,
        [role, actor, address, method, route, redactParams(params), status ?? null],
      )
      if (row === undefined) throw new Error('PostgreSQL returned no id for an entry of the audit log.')
      return row.id
    },
    async finish(id, status) {
      await query('update blockmill.audit set status = $2 where id = $1', [id, status])
    },
    async list({ role, actor, from, to, cursor, limit = DEFAULT_LIMIT }) {
      const rows = await query<AuditEntry>(
        `select id, at, role, actor, address, method, route, params, status from blockmill.audit
         where ($1::text is null or role = $1) and ($2::text is null or actor = $2)
           and ($3::timestamptz is null or at >= $3) and ($4::timestamptz is null or at <= $4)
           and ($5::bigint is null or id < $5)
         order by id desc limit $6`,
        [role ?? null, actor ?? null, from ?? null, to ?? null, cursor ?? null, limit + 1],
      )
      const entries = rows.slice(0, limit)
      const last = entries.at(-1)
      return { entries, ...(rows.length > limit && last !== undefined && { nextCursor: last.id }) }
    },
  }
}
