/** Deeper than anything that means something, and far from where recursion fails. */
const MAX_DEPTH = 64

/**
 * What keeps a value that was parsed as JSON from being worked with: nesting that exhausts the stack, or text that PostgreSQL
 * cannot store. `undefined` when nothing does.
 */
export function jsonProblem(value: unknown): string | undefined {
  const pending = [{ value, depth: 1 }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next.value === 'string') {
      if (!isStorable(next.value)) return 'a text has a NUL character or half a surrogate pair'
    } else if (typeof next.value === 'object' && next.value !== null) {
      const depth = next.depth + 1
      if (depth > MAX_DEPTH + 1) return `it is nested deeper than ${MAX_DEPTH} levels`
      for (const [key, one] of Object.entries(next.value)) {
        if (!isStorable(key)) return 'a name has a NUL character or half a surrogate pair'
        pending.push({ value: one, depth })
      }
    }
  }
  return undefined
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
