/**
 * Remembers what each item was like, and tells those that are new or not like that any more. An item that is gone is
 * forgotten in silence.
 */
export function createChangedItems<Item>(keyOf: (item: Item) => string): (items: readonly Item[]) => Item[] {
  let known = new Map<string, string>()
  return (items) => {
    const before = known
    known = new Map(items.map((item) => [keyOf(item), JSON.stringify(item)]))
    return items.filter((item) => before.get(keyOf(item)) !== known.get(keyOf(item)))
  }
}
