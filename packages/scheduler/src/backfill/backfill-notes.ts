import type { BlockSet } from '@blockmill/core'

import type { BackfillPart } from './backfill-part.ts'

/** Most ranges that a text names. */
const MAX_NAMED = 20

/** Which block's condition fails, for people; null when none does. */
export function failureNote(parts: readonly BackfillPart[]): string | null {
  const failing = parts.find(({ failing: { first } }) => first !== undefined)
  const first = failing?.failing.first
  if (failing === undefined || first === undefined) return null
  return `the condition fails at block ${first.block} ${withArgs(failing)}: ${reason(first.error)}; it is tried again`
}

/** Which blocks are missing after their last tries, and why. */
export function givenUpNote(parts: readonly BackfillPart[]): string {
  return parts
    .filter(({ remaining }) => remaining.length > 0)
    .map((part) => {
      const why = part.failing.first === undefined ? 'unknown' : reason(part.failing.first.error)
      const untried = part.failing.isHopeless ? ', and the rest was not tried' : ''
      const blocks = nameBlocks(part.failing.isHopeless ? part.failing.givenUp : part.remaining)
      return `the condition failed again and again at ${blocks} ${withArgs(part)}${untried}: ${why}`
    })
    .join('; ')
}

/** `blocks 7, 9–12`, of many the first. */
export function nameBlocks(set: BlockSet): string {
  const names = set.slice(0, MAX_NAMED).map(({ from, to }) => (from === to ? `${from}` : `${from}–${to}`))
  const more = set.length > MAX_NAMED ? ' and more' : ''
  return `${names.length === 1 && set[0]?.from === set[0]?.to ? 'block' : 'blocks'} ${names.join(', ')}${more}`
}

function withArgs({ coverage }: BackfillPart): string {
  return `with ${JSON.stringify(coverage.args)}`
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 500)
}
