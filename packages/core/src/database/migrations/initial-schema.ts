import { Migration } from '@mikro-orm/migrations'

/**
 * The first schema: chains, tasks with their attempts, coverage, the scheduler's lease, workers, dead letters.
 *
 * Columns of `task` that only the scheduled message knows may be null: the record of a finished task may come first.
 */
export class InitialSchema extends Migration {
  override up(): void {
    for (const statement of TABLES) this.addSql(statement)
    for (const statement of TRIGGERS) this.addSql(statement)
  }

  override down(): void {
    for (const table of [
      'dead_letter',
      'worker',
      'scheduler_lease',
      'coverage',
      'task_count',
      'task_attempt',
      'task',
      'chain',
    ]) {
      this.addSql(`drop table blockmill.${table}`)
    }
    this.addSql('drop function blockmill.count_tasks()')
    this.addSql('drop function blockmill.keep_history()')
  }
}

const CHAINS = `
create table blockmill.chain (
  id text primary key,
  genesis_hash text not null,
  created_at timestamptz not null default now()
)`

// No fill factor: every update changes the status, which indexes depend on, so room for in-page updates would stay unused.
const TASKS = `
create table blockmill.task (
  id uuid primary key,
  chain text not null,
  name text not null,
  queue text,
  lane text check (lane in ('high', 'normal', 'low')),
  priority int,
  block_number bigint,
  block_hash text,
  range_from bigint,
  range_to bigint,
  args jsonb,
  args_hash text,
  cause text,
  status text not null check (status in
    ('scheduled', 'running', 'retrying', 'postponed', 'cancelled', 'orphaned', 'failed', 'dead', 'succeeded')),
  generation bigint not null default 0,
  attempt int not null,
  postpones int not null,
  max_attempts int,
  scheduled_at timestamptz,
  changed_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  next_attempt_at timestamptz,
  worker text,
  result jsonb,
  error jsonb,
  reason text,
  progress_done double precision,
  progress_total double precision,
  progress_at timestamptz,
  root_id uuid,
  parent_id uuid
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)`

// The partial indexes carry what stays small while history grows: lists and counts of work that somebody waits for. Time
// grows with the table, so a block-range index is enough for "finished between" and costs next to nothing to keep.
const TASK_INDEXES = `
create index task_by_block on blockmill.task (chain, name, block_number);
create index task_by_name on blockmill.task (name, id);
create index task_unfinished on blockmill.task (id) include (chain, name, args_hash, status, scheduled_at)
  where status in ('scheduled', 'running', 'retrying', 'postponed');
create index task_unsuccessful on blockmill.task (id) include (chain, name, args_hash, status)
  where status in ('cancelled', 'orphaned', 'failed', 'dead');
create index task_by_finish on blockmill.task using brin (finished_at)`

// Attempts that ended without success, and runs that were lost. The last success of a task is in its own row, once. One
// attempt may run on several workers that die, each of which is history; the empty name is nobody's.
const ATTEMPTS = `
create table blockmill.task_attempt (
  task_id uuid not null,
  generation bigint not null,
  attempt int not null,
  postpones int not null,
  outcome text not null check (outcome in
    ('retrying', 'postponed', 'cancelled', 'orphaned', 'failed', 'dead', 'split', 'succeeded', 'lost')),
  started_at timestamptz,
  finished_at timestamptz not null,
  worker text not null,
  error jsonb,
  reason text,
  delay_ms double precision,
  primary key (task_id, generation, attempt, postpones, outcome, worker)
)`

const COUNTS = `
create table blockmill.task_count (
  chain text not null,
  name text not null,
  status text not null,
  count bigint not null
)`

const COVERAGE = `
create table blockmill.coverage (
  chain text not null,
  task text not null,
  args_hash text not null,
  head text not null check (head in ('finalized', 'latest')),
  args jsonb not null,
  start_block bigint not null,
  evaluated int8multirange not null default '{}',
  updated_at timestamptz not null default now(),
  primary key (chain, task, args_hash, head)
)`

const LEASES = `
create table blockmill.scheduler_lease (
  chain text primary key,
  holder text not null,
  token bigint not null,
  expires_at timestamptz not null
)`

const WORKERS = `
create table blockmill.worker (
  name text primary key,
  host text not null,
  pid int not null,
  queues jsonb not null,
  concurrency int not null,
  started_at timestamptz not null,
  last_seen_at timestamptz not null,
  state text not null check (state in ('running', 'stopped')),
  running jsonb not null,
  rss_bytes bigint not null,
  event_loop_lag_ms double precision not null
)`

const DEAD_LETTERS = `
create table blockmill.dead_letter (
  id uuid primary key,
  received_at timestamptz not null default now(),
  queue text,
  reason text not null,
  error text,
  type text,
  task_id uuid,
  headers jsonb not null,
  body bytea not null
);
create index dead_letter_by_time on blockmill.dead_letter (received_at, id)`

// Counting millions of rows for every look at the totals would take seconds. Each statement that writes tasks appends the
// differences it made, in its own transaction: exact whatever fails, and no row that concurrent recorders would wait for.
// The monitor adds the differences up from time to time.
const COUNT_TASKS_FUNCTION = `
create function blockmill.count_tasks() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into blockmill.task_count
      select chain, name, status, count(*) from after group by chain, name, status;
  elsif tg_op = 'DELETE' then
    insert into blockmill.task_count
      select chain, name, status, -count(*) from before group by chain, name, status;
  else
    insert into blockmill.task_count
      select chain, name, status, sum(difference) from (
        select chain, name, status, 1 as difference from after
        union all
        select chain, name, status, -1 from before
      ) as moved group by chain, name, status having sum(difference) <> 0;
  end if;
  return null;
end $$`

const COUNT_TASKS_TRIGGERS = `
create trigger task_inserted after insert on blockmill.task
  referencing new table as after for each statement execute function blockmill.count_tasks();
create trigger task_updated after update on blockmill.task
  referencing old table as before new table as after for each statement execute function blockmill.count_tasks();
create trigger task_deleted after delete on blockmill.task
  referencing old table as before for each statement execute function blockmill.count_tasks()`

// What an update would wipe out, although it happened: a run whose worker died, seen when another worker runs the same
// attempt, and the outcome of a generation that a replay starts over.
// The plan is made once for each connection, for as many rows as its first update has. For one row that would be a nested
// loop, with which an update of thousands takes minutes.
const KEEP_HISTORY_FUNCTION = `
create function blockmill.keep_history() returns trigger language plpgsql set enable_nestloop = off as $$
begin
  insert into blockmill.task_attempt
    (task_id, generation, attempt, postpones, outcome, started_at, finished_at, worker, error, reason)
  select before.id, before.generation, before.attempt, before.postpones,
    case before.status when 'running' then 'lost' else before.status end,
    before.started_at, coalesce(before.finished_at, after.started_at, after.changed_at), coalesce(before.worker, ''),
    before.error, before.reason
  from before join after on after.id = before.id
  where (before.status = 'running' and (after.started_at > before.started_at or after.status = 'dead')
      and (after.generation, after.attempt, after.postpones) = (before.generation, before.attempt, before.postpones))
    or (before.status in ('succeeded', 'dead', 'orphaned') and after.generation > before.generation)
  on conflict do nothing;
  return null;
end $$`

const KEEP_HISTORY_TRIGGER = `
create trigger task_history after update on blockmill.task
  referencing old table as before new table as after for each statement execute function blockmill.keep_history()`

const TABLES = [CHAINS, TASKS, TASK_INDEXES, ATTEMPTS, COUNTS, COVERAGE, LEASES, WORKERS, DEAD_LETTERS]
const TRIGGERS = [COUNT_TASKS_FUNCTION, COUNT_TASKS_TRIGGERS, KEEP_HISTORY_FUNCTION, KEEP_HISTORY_TRIGGER]
