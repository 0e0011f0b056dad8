import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * One process for all time: a pid alone is reused. `startTime` is opaque and only compared: clock ticks since boot on
 * Linux (field 22 of `/proc/<pid>/stat`, see proc(5)), the start date that `ps` prints elsewhere.
 */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: string
}

/** The machine on which a pid means something: a pid of another boot or of a container's pid namespace is not ours. */
export interface MachineIdentity {
  readonly host: string
  readonly boot: string
  readonly pidNamespace: string
}

/** Start time of a running process; undefined when there is none, or only a zombie that nobody has waited for yet. */
export function processStartTime(pid: number): string | undefined {
  return process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid)
}

/** True while exactly this process runs, not just one that was given the same pid later. */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return processStartTime(pid) === startTime
}

/** The processes that a process has started and that still run. */
export function childProcesses(pid: number): ProcessIdentity[] {
  const children = process.platform === 'linux' ? childrenFromProc(pid) : childrenFromPgrep(pid)
  return children.flatMap((child) => {
    const startTime = processStartTime(child)
    return startTime === undefined ? [] : [{ pid: child, startTime }]
  })
}

/** The process that asks. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTime: processStartTime(process.pid) ?? '' }
}

/** The machine, boot and pid namespace in which this process runs. Empty strings where the platform has no such thing. */
export function machineIdentity(): MachineIdentity {
  return {
    host: hostname(),
    boot: readOr('', () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: readOr('', () => readlinkSync('/proc/self/ns/pid')),
  }
}

function startTimeFromProc(pid: number): string | undefined {
  const { state, startTime } = readStat(pid)
  return state === undefined || state === 'Z' || state === 'X' ? undefined : startTime
}

function childrenFromProc(pid: number): number[] {
  const pids = readOr([], () => readdirSync('/proc')).map(Number)
  return pids.filter((each) => Number.isInteger(each) && readStat(each).parent === String(pid))
}

function readStat(pid: number): { state?: string; parent?: string; startTime?: string } {
  const stat = readOr('', () => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  if (stat === '') return {}
  // The second field is the command in parentheses and may hold anything, so counting starts behind the last one.
  const [state, parent, ...others] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { ...(state && { state }), ...(parent && { parent }), ...(others[17] && { startTime: others[17] }) }
}

function childrenFromPgrep(pid: number): number[] {
  const output = readOr('', () => execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8', stdio: 'pipe' }))
  return output.split('\n').filter(Boolean).map(Number)
}

function startTimeFromPs(pid: number): string | undefined {
  const line = readOr('', () =>
    execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim(),
  )
  const [state = '', ...started] = line.split(/\s+/)
  return state === '' || state.startsWith('Z') ? undefined : started.join(' ')
}

function readOr<T>(fallback: T, read: () => T): T {
  try {
    return read()
  } catch {
    // A process that is gone has no entry, and other platforms have no /proc: both mean "nothing to read".
    return fallback
  }
}
