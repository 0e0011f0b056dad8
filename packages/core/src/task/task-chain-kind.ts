import type { ChainKind } from '../chain/chain-access.ts'
import type { AnyTaskDefinition } from './define-task.ts'

/** Whether a task is for chains of this kind. Who has no chain (`undefined`) takes tasks for all kinds. */
export function isForChainKind(
  { chainKind }: Pick<AnyTaskDefinition, 'chainKind'>,
  kind: ChainKind | undefined,
): boolean {
  return kind === undefined || chainKind === 'any' || chainKind === kind
}
