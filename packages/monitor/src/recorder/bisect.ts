/**
 * Takes all items together, and when that is refused, halves them until what is refused is single items. Few bad items among
 * many cost a few further calls each, not one call for every item.
 *
 * @param take throws when it refuses; `isRefusal` tells its refusals from other errors, which are passed on.
 */
export async function bisect<Item>(
  items: readonly Item[],
  {
    take,
    isRefusal,
    onRefused,
  }: {
    readonly take: (items: readonly Item[]) => Promise<void>
    readonly isRefusal: (error: unknown) => boolean
    readonly onRefused: (item: Item, error: unknown) => Promise<void>
  },
): Promise<void> {
  const takeOrHalve = async (part: readonly Item[]): Promise<void> => {
    try {
      await take(part)
    } catch (error) {
      if (!isRefusal(error)) throw error
      const [first] = part
      if (part.length === 1 && first !== undefined) {
        await onRefused(first, error)
        return
      }
      const middle = Math.ceil(part.length / 2)
      await takeOrHalve(part.slice(0, middle))
      await takeOrHalve(part.slice(middle))
    }
  }
  if (items.length > 0) await takeOrHalve(items)
}
