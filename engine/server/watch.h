/* watch.h: notices changes in a tree of directories (inotify(7)), new directories included, and its
 * removal and return. Owned by one thread.
 * How to use: watch_new, then poll watch_descriptor; when watch_read says true, call watch_look
 * *before* reading the files, so that no later change is missed. While watch_is_gone, call
 * watch_look from time to time. */
#ifndef STATUTE_WATCH_H
#define STATUTE_WATCH_H

#include "base/fault.h"

struct watch;

/* The directory need not exist yet. `directory` is copied. */
struct watch *watch_new(struct text directory);
void watch_free(struct watch *watch);

/* Watches what is there now. FAULT_ENVIRONMENT says what could not be watched and which limit of
 * the system to raise; what could be watched is. A directory that is not there is no fault. */
bool watch_look(struct watch *watch, struct fault *fault) MUST_CHECK;

/* Readable when something happened; -1 when the system gave no inotify descriptor. Changes with
 * each watch_look. */
int watch_descriptor(const struct watch *watch);

/* Takes in all that happened, without waiting. True when it can have changed what the *.lua files
 * of the tree say. */
bool watch_read(struct watch *watch);

/* At the last look there was no such directory. */
bool watch_is_gone(const struct watch *watch);

#endif
