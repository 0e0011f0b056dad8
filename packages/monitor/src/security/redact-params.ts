import { redactUrls } from '@blockmill/core'

import { storableJson } from '../recorder/storable.ts'

/** Most characters of JSON that are kept of one request. */
const MAX_LENGTH = 4_096

const SECRET_NAME =
  /^token$|(auth|access|api|bearer|secret|viewer|operator)[-_]?tokens?|secret|passw|passphrase|authorization|credential|cookie|(api|private)[-_]?key|mnemonic|seed[-_]?phrase/i

/**
 * What a request was given, as JSON that may be kept: what is named like a secret becomes `***`, of URLs only the host stays, and what is
 * longer than 4,096 characters becomes the text of its beginning, as `cut`.
 */
export function redactParams(params: unknown): string {
  const text = storableJson(
    JSON.parse(JSON.stringify(params), (name, value: unknown) => {
      if (SECRET_NAME.test(name)) return '***'
      return typeof value === 'string' ? redactUrls(value) : value
    }),
  )
  return text.length <= MAX_LENGTH ? text : storableJson({ cut: text.slice(0, MAX_LENGTH) })
}
