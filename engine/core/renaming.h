/* renaming.h: gives entities that a batch has read the names that the rules in force have for their
 * machine and state, and records it. Used by work.c only. */
#ifndef STATUTE_RENAMING_H
#define STATUTE_RENAMING_H

#include "core/work.h"

/* What entities were called that have just been read. */
struct former_name {
    struct text machine; /* TEXT_NONE: as today */
    struct text state;
};

/* Entities that are not there may be kept under a former name: they are moved, in the open
 * transaction, and become what was found. A reader's are only found. */
bool renaming_find(struct work *work, struct entity *entities, size_t count,
                   struct former_name *names, struct fault *fault) MUST_CHECK;

/* The slot's entity gets its state's name of today; what was renamed is recorded. */
void renaming_note(struct work *work, struct slot *slot, const struct former_name *name);

#endif
