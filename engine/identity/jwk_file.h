/* jwk_file.h: the file of a JWK Set, and the keys of it that are in force. */
#ifndef STATUTE_WEB_KEY_FILE_H
#define STATUTE_WEB_KEY_FILE_H

#include "identity/jwk.h"

struct web_key_file;
struct web_token_seen;

/* Keys in force at one time. Whoever takes them has them until the drop, whatever the file says. */
struct web_keys {
    struct web_key_set set;
    struct web_token_seen *seen; /* tokens of these keys */
};

/* Reads the file. FAULT_ENVIRONMENT: it cannot be read, or holds no JWK Set; every problem is then
 * in the log, and the first in the message. */
bool web_key_file_open(struct text path, struct web_key_file **out, struct fault *fault) MUST_CHECK;
void web_key_file_close(struct web_key_file *file);

/* Reads the file again; for one thread. A good one is in force from here on. A bad one, or none,
 * leaves the keys as they are. The log tells of either once for each content; with `anew` it does
 * again. */
void web_key_file_look(struct web_key_file *file, bool anew);

/* Any thread. */
struct web_keys *web_key_file_take(struct web_key_file *file);
void web_key_file_drop(struct web_keys *keys);

size_t web_key_file_count(struct web_key_file *file); /* keys in force */

#endif
