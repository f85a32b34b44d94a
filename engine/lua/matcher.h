/* matcher.h: Lua patterns (reference manual, section 6.4.1) with every step charged. Used by
 * library_match.c only. A pattern is compiled into room that the caller gives and that must outlive
 * it; malformed patterns raise, and so does a spent budget (vm_charge). */
#ifndef STATUTE_MATCHER_H
#define STATUTE_MATCHER_H

#include "lua/vm.h"

#define PATTERN_CAPTURES 32

struct pattern;

/* How much room, aligned to 8 bytes, the compiled pattern takes. */
size_t pattern_room(struct text source);

/* `anchors`: whether '^' at the start is an anchor; for gmatch it is not. */
struct pattern *pattern_compile(lua_State *lua, struct text source, bool anchors, void *room);

int pattern_capture_count(const struct pattern *pattern);
bool pattern_is_anchored(const struct pattern *pattern);

/* Whether the source has no magic character, so that it matches itself only. */
bool pattern_is_plain(struct text source);

struct capture {
    const char *start;
    size_t length;
    bool is_position; /* "()": captures where it stands */
};

struct matcher {
    lua_State *lua;
    struct pattern *pattern;
    const char *begin, *end; /* the subject */
    int64_t steps;           /* done but not charged yet */
    struct capture captures[PATTERN_CAPTURES];
};

void matcher_init(struct matcher *matcher, lua_State *lua, struct pattern *pattern,
                  struct text subject);

/* The first match that begins at `from` or later, but for one that ends at `not_end` (NULL: none):
 * so an empty match does not follow at the end of another. An anchored pattern is tried at `from`
 * only. */
bool matcher_search(struct matcher *matcher, const char *from, const char *not_end,
                    struct text *found);

/* Charges what is left. */
void matcher_settle(struct matcher *matcher);

#endif
