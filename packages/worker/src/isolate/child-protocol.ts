import type {
  ChainKind,
  LogLevel,
  RangeCheckpoint,
  RowsPart,
  SerializedError,
  TaskItem,
  TaskMessage,
} from '@blockmill/core'

/** What a child needs before it can run anything. */
export interface ChildSetup {
  /** Process that the child belongs to: a child process ends when this one has. */
  readonly parentPid: number
  /** Packages or paths that tasks are loaded from, as in `BLOCKMILL_TASKS`. */
  readonly taskPackages: readonly string[]
  /** Where names and relative paths of tasks packages are resolved. */
  readonly from: string
  /** The chain that task code gets; the child connects when a handler first asks for something. */
  readonly chain?: ChildChain | undefined
  /** Executions of tasks that a handler enqueues, where they do not say themselves. */
  readonly maxAttempts?: number | undefined
  readonly logLevel: LogLevel
}

export interface ChildChain {
  /** The name that the chain was given. */
  readonly id: string
  readonly kind: ChainKind
  /** URLs of its nodes. */
  readonly endpoints: readonly string[]
  /** URLs of archive nodes, for state that the others no longer keep. */
  readonly archiveEndpoints?: readonly string[] | undefined
}

/** One attempt, for a child to run. */
export interface Job {
  /** The message with this item alone. */
  readonly message: TaskMessage
  readonly item: TaskItem
}

/** What a child is told. */
export type ToChild =
  | { readonly type: 'set-up'; readonly setup: ChildSetup }
  | { readonly type: 'run'; readonly job: Job }
  | { readonly type: 'abort'; readonly reason: SerializedError }
  /** What the child asked for is done, or was refused. */
  | { readonly type: 'answer'; readonly request: number; readonly error?: SerializedError }
  /** Close what is open and exit. */
  | { readonly type: 'end' }

/** What a child asks its worker to do. */
export type WorkerRequest =
  /** A handler enqueues a task. */
  | { readonly type: 'publish'; readonly message: TaskMessage }
  /** A batch has emitted rows. */
  | { readonly type: 'publish-part'; readonly part: RowsPart }
  /** A handler wants another permit of its task's rate limit. */
  | { readonly type: 'throttle' }

/** What a child tells. Tasks may send messages of their own from a child: other types are ignored. */
export type FromChild =
  | { readonly type: 'ready'; readonly memoryBytes: number }
  | { readonly type: 'unusable'; readonly error: SerializedError }
  /** The handler is about to be called: from now on, the end of the child is the end of an attempt. */
  | { readonly type: 'started' }
  | { readonly type: 'progress'; readonly done: number; readonly total: number | undefined }
  | { readonly type: 'log'; readonly line: string }
  | (WorkerRequest & { readonly request: number })
  /** All rows before the checkpoint are with the broker. */
  | { readonly type: 'checkpoint'; readonly checkpoint: RangeCheckpoint }
  /** Sent each second of an attempt, as long as the event loop turns. */
  | { readonly type: 'memory'; readonly memoryBytes: number }
  /** The handler's signal is aborted: the event loop turns, and the handler has a chance to heed it. */
  | { readonly type: 'aborting' }
  | {
      readonly type: 'ended'
      /** The `Outcome` as JSON: what is not JSON any more, because it was changed after it was checked, fails here. */
      readonly outcome: string
      readonly memoryBytes: number
      /** An error that nobody caught left the child in an unknown state. */
      readonly tainted: boolean
    }
  /** A task that had ended threw an error that nobody caught; the task is unknown when the error came from no handler. */
  | { readonly type: 'late-error'; readonly task?: string; readonly taskId?: string; readonly error: SerializedError }
