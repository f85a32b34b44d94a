/* jwk_file.h: the file of a JWK Set, and the keys of it that are in force. */
#ifndef STATUTE_JWK_FILE_H
#define STATUTE_JWK_FILE_H

#include "identity/jwk.h"

struct jwk_file;
struct web_token_seen;

/* Keys in force at one time. Whoever takes them has them until the drop, whatever the file says. */
struct jwks {
    struct jwk_set set;
    struct web_token_seen *seen; /* tokens of these keys */
};

/* Reads the file. FAULT_ENVIRONMENT: it cannot be read, or holds no JWK Set; every problem is then
 * in the log, and the first in the message. */
bool jwk_file_open(struct text path, struct jwk_file **out, struct fault *fault) MUST_CHECK;
void jwk_file_close(struct jwk_file *file);

/* Reads the file again; for one thread. A good one is in force from here on. A bad one, or none,
 * leaves the keys as they are. The log tells of either once for each content; with `anew` it does
 * again. */
void jwk_file_look(struct jwk_file *file, bool anew);

/* Any thread. */
struct jwks *jwk_file_take(struct jwk_file *file);
void jwk_file_drop(struct jwks *keys);

size_t jwk_file_count(struct jwk_file *file); /* keys in force */

#endif
