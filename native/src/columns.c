/* Packed columns as rows of SQL: the table-valued function tele_columns() of SQLite. The store inserts from it, since a
 * statement for each row takes JavaScript twice as long as the rows take SQLite (docs/benchmarks.md). */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <sqlite3ext.h>

#include "telebridge.h"

SQLITE_EXTENSION_INIT1

#define COLUMNS_MAX 8
/* The hidden column of the types; those of the arrays follow. */
#define TYPES_COLUMN COLUMNS_MAX
#define NO_VALUE UINT64_MAX

typedef struct column {
  char type;
  sqlite3_value *held; /* keeps the bytes */
  const uint8_t *bytes;
} column;

typedef struct cursor {
  sqlite3_vtab_cursor base;
  column columns[COLUMNS_MAX];
  int columns_count;
  sqlite3_int64 row, rows_count;
} cursor;

static int element_bytes(char type) {
  switch (type) {
    case 'q':
    case 's':
    case 'd': return 8;
    case 'u': return 4;
    case 'b': return 1;
    default: return 0;
  }
}

static int connect(sqlite3 *db, void *unused, int argc, const char *const *argv, sqlite3_vtab **table, char **error) {
  (void)unused, (void)argc, (void)argv, (void)error;
  int result = sqlite3_declare_vtab(db,
                                    "CREATE TABLE tele_columns (c0, c1, c2, c3, c4, c5, c6, c7, types HIDDEN,"
                                    " a0 HIDDEN, a1 HIDDEN, a2 HIDDEN, a3 HIDDEN, a4 HIDDEN, a5 HIDDEN, a6 HIDDEN,"
                                    " a7 HIDDEN)");
  if (result != SQLITE_OK) return result;
  *table = sqlite3_malloc(sizeof **table);
  if (*table == NULL) return SQLITE_NOMEM;
  memset(*table, 0, sizeof **table);
  return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *table) {
  sqlite3_free(table);
  return SQLITE_OK;
}

/* The types and the arrays are given, from the first on without a gap; their order is that of the columns. */
static int best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  (void)table;
  unsigned given = 0;
  for (int i = 0; i < info->nConstraint; i++) {
    int argument = info->aConstraint[i].iColumn - TYPES_COLUMN;
    if (argument < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
    info->aConstraintUsage[i].argvIndex = argument + 1;
    info->aConstraintUsage[i].omit = 1;
    given |= 1U << argument;
  }
  bool without_gap = (given & (given + 1)) == 0;
  if (given < 3 || !without_gap) {
    table->zErrMsg = sqlite3_mprintf("tele_columns() takes types and one array for each of them");
    return SQLITE_ERROR;
  }
  info->estimatedCost = 1;
  return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **opened) {
  (void)table;
  cursor *made = sqlite3_malloc(sizeof *made);
  if (made == NULL) return SQLITE_NOMEM;
  *made = (cursor){.columns_count = 0};
  *opened = &made->base;
  return SQLITE_OK;
}

static void drop_columns(cursor *cursor) {
  for (int i = 0; i < cursor->columns_count; i++) sqlite3_value_free(cursor->columns[i].held);
  cursor->columns_count = 0;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  drop_columns((cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int refuse(cursor *cursor, const char *why) {
  sqlite3_vtab *table = cursor->base.pVtab;
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("tele_columns(): %s", why);
  return SQLITE_ERROR;
}

static int add_column(cursor *cursor, char type, sqlite3_value *value) {
  int bytes = element_bytes(type);
  if (bytes == 0) return refuse(cursor, "a type is none of q, s, d, u, b");
  if (sqlite3_value_type(value) != SQLITE_BLOB) return refuse(cursor, "an array is no blob");
  sqlite3_value *held = sqlite3_value_dup(value);
  if (held == NULL) return SQLITE_NOMEM;
  int bytes_count = sqlite3_value_bytes(held);
  column *column = &cursor->columns[cursor->columns_count++];
  column->type = type;
  column->held = held;
  column->bytes = sqlite3_value_blob(held);
  if (cursor->columns_count == 1) cursor->rows_count = bytes_count / bytes;
  if (cursor->rows_count * bytes != bytes_count) return refuse(cursor, "the arrays differ in length");
  return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int unused, const char *unused_too, int argc, sqlite3_value **argv) {
  (void)unused, (void)unused_too;
  cursor *cursor = (struct cursor *)base;
  drop_columns(cursor);
  cursor->row = 0;
  const char *types = (const char *)sqlite3_value_text(argv[0]);
  if (types == NULL || strlen(types) != (size_t)argc - 1) return refuse(cursor, "not one array for each type");
  for (int i = 1; i < argc; i++) {
    int result = add_column(cursor, types[i - 1], argv[i]);
    if (result != SQLITE_OK) return result;
  }
  return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base) {
  ((cursor *)base)->row++;
  return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base) {
  cursor *cursor = (struct cursor *)base;
  return cursor->row >= cursor->rows_count;
}

static int value_at(sqlite3_vtab_cursor *base, sqlite3_context *context, int index) {
  cursor *cursor = (struct cursor *)base;
  if (index >= cursor->columns_count) return SQLITE_OK; /* NULL */
  const column *column = &cursor->columns[index];
  uint64_t word = 0;
  int bytes = element_bytes(column->type);
  memcpy(&word, column->bytes + cursor->row * bytes, (size_t)bytes);
  if (column->type == 'd') {
    double number;
    memcpy(&number, &word, sizeof number);
    sqlite3_result_double(context, number); /* NaN becomes NULL */
  } else if (column->type != 's' || word != NO_VALUE) {
    sqlite3_result_int64(context, (sqlite3_int64)word);
  }
  return SQLITE_OK;
}

static int row_id(sqlite3_vtab_cursor *base, sqlite3_int64 *id) {
  *id = ((cursor *)base)->row;
  return SQLITE_OK;
}

static sqlite3_module module = {.iVersion = 1,
                                .xConnect = connect, /* and no xCreate: a function, which nobody makes tables of */
                                .xBestIndex = best_index,
                                .xDisconnect = disconnect,
                                .xOpen = open_cursor,
                                .xClose = close_cursor,
                                .xFilter = filter,
                                .xNext = next,
                                .xEof = at_end,
                                .xColumn = value_at,
                                .xRowid = row_id};

int tele_sqlite_init(void *db, char **error, const void *routines) {
  (void)error;
  SQLITE_EXTENSION_INIT2((const sqlite3_api_routines *)routines);
  return sqlite3_create_module(db, "tele_columns", &module, NULL);
}
