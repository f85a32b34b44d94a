/* config.h: a configuration file in Lua: `return { listen = "127.0.0.1:9000", workers = 2 }`.
 * It runs in the sandbox of the policies, with nothing but its own arithmetic and strings. */
#ifndef STATUTE_CONFIG_H
#define STATUTE_CONFIG_H

#include "base/js.h"

/* The table that the file returns, as an object in `arena`. FAULT_ENVIRONMENT: the file cannot be
 * read; FAULT_USAGE: it is not a configuration, with file and line where Lua knew them. */
bool config_load(struct text path, struct arena *arena, const struct js **out,
                 struct fault *fault) MUST_CHECK;

const char *config_lua_version(void); /* "Lua 5.4.4" */

#endif
