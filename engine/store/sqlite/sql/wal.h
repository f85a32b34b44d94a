/* wal.h: a thin layer over SQLite's own file system layer that gathers the small
 * writes to a write-ahead log into large ones. Used by open.c only. */
#ifndef STATUTE_STORE_SQLITE_WAL_H
#define STATUTE_STORE_SQLITE_WAL_H

/* The name to open a writer with; NULL (SQLite's default) if the layer cannot be had. Thread-safe.
 */
const char *wal_layer(void);

#endif
