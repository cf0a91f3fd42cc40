/** What the kernel says about a process: CPU time and memory. */

/** USER_HZ, the unit of /proc/PID/stat: 100 on every Linux architecture that Deno runs on. */
const TICKS_PER_SECOND = 100;

export interface ProcessUsage {
  /** User and system time since its start. */
  cpuSeconds: number;
  residentBytes: number;
}

/** See proc_pid_stat(5), fields 14 and 15, and proc_pid_status(5), VmRSS. */
export async function processUsage(pid: number): Promise<ProcessUsage> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const residentKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
  return { cpuSeconds: ticks / TICKS_PER_SECOND, residentBytes: residentKib * 1024 };
}
