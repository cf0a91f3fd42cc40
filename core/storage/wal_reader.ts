/** Finds who reads a database, by the locks that SQLite's readers hold in the -shm file. */

/** WAL_READ_LOCK(0) to (4): bytes of the -shm, https://www.sqlite.org/walformat.html#the_wal_index_file_format. */
const READ_LOCK_FIRST = 123;
const READ_LOCK_LAST = 127;

/** `/proc/locks`: "1: POSIX  ADVISORY  READ 1234 08:01:5678 123 123". */
const LOCK = /^\d+: POSIX +ADVISORY +READ +(\d+) +[0-9a-f]+:[0-9a-f]+:(\d+) +(\d+) +(\d+)$/;

/** The process that reads the database at `path` now, another one than this if there is; null where it cannot be told. */
export function findWalReader(path: string): number | null {
  let inode: number | null;
  let locks: string;
  try {
    inode = Deno.statSync(`${path}-shm`).ino;
    locks = Deno.readTextFileSync("/proc/locks");
  } catch {
    return null;
  }
  const pids: number[] = [];
  for (const line of locks.split("\n")) {
    const [, pid, lockInode, first, last] = LOCK.exec(line) ?? [];
    if (pid === undefined || Number(lockInode) !== inode) continue;
    if (Number(last) >= READ_LOCK_FIRST && Number(first) <= READ_LOCK_LAST) pids.push(Number(pid));
  }
  return pids.find((pid) => pid !== Deno.pid && pid > 0) ?? pids.find((pid) => pid > 0) ?? null;
}
