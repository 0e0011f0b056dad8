import { Migration } from '@mikro-orm/migrations'

/**
 * How many tasks ended in each minute and each hour, and how, for charts over time: millions of tasks cannot be counted for each look.
 *
 * The differences that each statement appends to `task_count` say also in which minute the tasks ended, and on which queue they were.
 * So they add up to the same whatever is told in which order, or twice. The monitor sums them up into `task_rate`. A task that is
 * deleted leaves the totals, and stays in the minute in which it ended.
 */
export class TaskRates extends Migration {
  override up(): void {
    this.addSql('alter table blockmill.task_count add column queue text, add column ended_minute timestamptz')
    this.addSql(RATES)
    this.addSql(countTasks(COUNT_WITH_MINUTES))
  }

  override down(): void {
    this.addSql(countTasks(COUNT_TOTALS))
    this.addSql('drop table blockmill.task_rate')
    this.addSql('alter table blockmill.task_count drop column queue, drop column ended_minute')
  }
}

// The order of the key is that of the question: one width of steps, a span of time, and in it all tasks.
const RATES = `
create table blockmill.task_rate (
  step_seconds int not null,
  at timestamptz not null,
  chain text not null,
  name text not null,
  queue text not null,
  status text not null,
  count bigint not null,
  primary key (step_seconds, at, chain, name, queue, status)
)`

function countTasks(body: string): string {
  return `
create or replace function blockmill.count_tasks() returns trigger language plpgsql as $$${body}$$`
}

/** Of a row of the table: when it ended, to the minute, and on which queue; nothing while it has not. */
const MINUTE = `case when finished_at is not null then date_bin('1 minute', finished_at, timestamptz 'epoch') end`
const QUEUE = `case when finished_at is not null then coalesce(queue, '') end`

const COUNT_WITH_MINUTES = `
begin
  if tg_op = 'INSERT' then
    insert into blockmill.task_count (chain, name, status, count, queue, ended_minute)
      select chain, name, status, count(*), ${QUEUE}, ${MINUTE} from after group by 1, 2, 3, 5, 6;
  elsif tg_op = 'DELETE' then
    insert into blockmill.task_count (chain, name, status, count)
      select chain, name, status, -count(*) from before group by chain, name, status;
  else
    insert into blockmill.task_count (chain, name, status, count, queue, ended_minute)
      select chain, name, status, sum(difference), queue, minute from (
        select chain, name, status, 1 as difference, ${QUEUE} as queue, ${MINUTE} as minute from after
        union all
        select chain, name, status, -1, ${QUEUE}, ${MINUTE} from before
      ) as moved group by chain, name, status, queue, minute having sum(difference) <> 0;
  end if;
  return null;
end `

// As the first schema has it.
const COUNT_TOTALS = `
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
end `
