/** A step in the life of a durable job: the states that it starts from, and the one that it leads to. */
export interface StateMove<State extends string> {
  readonly from: readonly State[]
  readonly to: State
}

/** Where a move leads to from a state; `undefined` where there is no such move. */
export function stateAfter<State extends string>({ from, to }: StateMove<State>, state: State): State | undefined {
  return from.includes(state) ? to : undefined
}
