import { type Static, Type } from 'typebox'

import type { AuditEntry } from '../security/audit-log.ts'
import { ROLES } from '../security/access.ts'

const Time = Type.String({ format: 'date-time' })
// Not an integer: the decimals of those are cut off before they are checked.
const ID = { minimum: 1, maximum: Number.MAX_SAFE_INTEGER, multipleOf: 1 }

/** Which entries are listed, and which page. */
export const AuditQuerySchema = Type.Object(
  {
    role: Type.Optional(Type.Enum(ROLES)),
    actor: Type.Optional(
      Type.String({
        pattern: '^([0-9a-f]{8}|local|command line)$',
        description: 'first 8 hex digits of the SHA-256 of a token, `local` or `command line`',
      }),
    ),
    from: Type.Optional(Time),
    to: Type.Optional(Time),
    limit: Type.Optional(Type.Number({ minimum: 1, maximum: 1_000, multipleOf: 1, description: 'default 50' })),
    cursor: Type.Optional(Type.Number({ ...ID, description: '`nextCursor` of the page before' })),
  },
  { additionalProperties: false },
)

const AuditEntrySchema = Type.Object({
  id: Type.Number(ID),
  at: Time,
  role: Type.Enum(ROLES),
  actor: Type.String(),
  address: Type.String(),
  method: Type.String(),
  route: Type.String(),
  params: Type.Unknown({ description: 'of path, query and body; secrets masked, and cut when long' }),
  status: Type.Union([Type.Integer(), Type.Null()], {
    description:
      'of the answer, or of a command as it exits; null as long as there is none, and when the process died before',
  }),
})

/** A page of the audit log. */
export const AuditListSchema = Type.Object({
  entries: Type.Array(AuditEntrySchema),
  /** Absent on the last page. */
  nextCursor: Type.Optional(Type.Number(ID)),
})

/** An entry as the API shows it. */
export function auditView(entry: AuditEntry): Static<typeof AuditEntrySchema> {
  return { ...entry, at: entry.at.toISOString() }
}
