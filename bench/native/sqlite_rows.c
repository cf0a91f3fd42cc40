/*
 * Inserts steps into SQLite by one prepared statement, as a C program would: the peer of the store.
 *
 *   sqlite_rows DATABASE ROWS ROWS_A_TRANSACTION
 *
 * The table, its values and the pragmas are those of core/storage. Prints rows per second.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static sqlite3 *db;

static void check(int result) {
  if (result == SQLITE_OK || result == SQLITE_DONE) return;
  fprintf(stderr, "sqlite_rows: %s\n", sqlite3_errmsg(db));
  exit(1);
}

static void run(const char *sql) { check(sqlite3_exec(db, sql, NULL, NULL, NULL)); }

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: sqlite_rows DATABASE ROWS ROWS_A_TRANSACTION\n");
    return 2;
  }
  sqlite3_int64 rows = atoll(argv[2]), rows_a_transaction = atoll(argv[3]);
  check(sqlite3_open(argv[1], &db));
  run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;"
      "PRAGMA cache_size = -16384;"
      "CREATE TABLE step_row (key INTEGER PRIMARY KEY, step INTEGER NOT NULL, time_ns INTEGER NOT NULL,"
      " episode INTEGER NOT NULL, reward REAL, flags INTEGER NOT NULL, extra TEXT)");
  sqlite3_stmt *insert;
  check(sqlite3_prepare_v2(db, "INSERT INTO step_row VALUES (?, ?, ?, ?, ?, ?, NULL)", -1, &insert, NULL));
  sqlite3_int64 time_ns = (sqlite3_int64)time(NULL) * 1000000000;
  double *rewards = malloc(sizeof *rewards * (size_t)rows_a_transaction);
  for (sqlite3_int64 i = 0; i < rows_a_transaction; i++) rewards[i] = (double)rand() / RAND_MAX;

  double started_s = now_s();
  for (sqlite3_int64 first = 1; first <= rows; first += rows_a_transaction) {
    run("BEGIN");
    for (sqlite3_int64 i = 0; i < rows_a_transaction; i++) {
      sqlite3_bind_int64(insert, 1, first + i);
      sqlite3_bind_int64(insert, 2, first + i);
      sqlite3_bind_int64(insert, 3, time_ns);
      sqlite3_bind_int64(insert, 4, 7);
      sqlite3_bind_double(insert, 5, rewards[i]);
      sqlite3_bind_int64(insert, 6, 0);
      check(sqlite3_step(insert));
      check(sqlite3_reset(insert));
    }
    run("COMMIT");
  }
  printf("%.0f\n", (double)rows / (now_s() - started_s));
  free(rewards);
  check(sqlite3_finalize(insert));
  check(sqlite3_close(db));
  return 0;
}
