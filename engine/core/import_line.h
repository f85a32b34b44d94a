/* import_line.h: one line of an export, read into the attempt that makes an entity of it. Used by
 * import.c only. */
#ifndef STATUTE_IMPORT_LINE_H
#define STATUTE_IMPORT_LINE_H

#include "core/import.h"

/* A CREATE when the import is `as_new`, else a RESTORE. What it points to is in import->arena. The
 * fault says what is wrong with the line. */
bool import_line(struct import *import, struct text line, struct attempt *out,
                 struct fault *fault) MUST_CHECK;

/* Notes what the operator should hear of an entity that was restored. */
void import_note(struct import *import, const struct attempt *attempt);

#endif
