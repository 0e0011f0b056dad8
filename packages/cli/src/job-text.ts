import { type BlockSet, formatDuration } from '@blockmill/core'

/** The time that is left of a job; `-` where nobody can tell, or nothing is left. */
export function timeLeft({ etaSeconds }: { readonly etaSeconds: number | null }): string {
  return etaSeconds === null || etaSeconds === 0 ? '-' : formatDuration(Math.ceil(etaSeconds) * 1_000)
}

/** Ranges of blocks such as `1-5, 9, …`; the dots are for those that are not shown. */
export function rangesText(
  { ranges, isCut }: { readonly ranges: BlockSet; readonly isCut: boolean },
  { most }: { readonly most: number },
): string {
  if (ranges.length === 0) return '-'
  const shown = ranges.slice(0, most).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
  return `${shown.join(', ')}${isCut || ranges.length > most ? ', …' : ''}`
}
