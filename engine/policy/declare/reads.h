/* reads.h: which fields of the data a permission's function reads. A best effort for warnings: the
 * text of the function is read, not run, so a field whose name is computed is not seen. */
#ifndef STATUTE_READS_H
#define STATUTE_READS_H

#include "policy/declare/check.h"

#define READS_MOST 50 /* fields of one machine */
#define READS_SCAN_MOST                                                                            \
    (64 * 1024 * 1024) /* bytes, of a policy directory: then no more is seen                       \
                        */

/* Adds to check.reads. The function is on top. stack: [-0, +0] */
void reads_note(struct check *check);

#endif
