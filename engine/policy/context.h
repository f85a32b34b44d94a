/* context.h: the `ctx` of policy functions. */
#ifndef STATUTE_CONTEXT_H
#define STATUTE_CONTEXT_H

#include "policy/generation.h"

/* Prepares a seat's VM: ctx:find and ctx:count. */
void context_open(struct seat *seat);

/* stack: [-0, +1]. Makes ctx for the turn. May raise. */
void context_push(struct turn *turn);
/* stack: [-0, +1]. The part of it that needs no attempt: now, actor, find and count. */
void context_push_plain(const struct turn *turn, const struct actor *actor);
/* stack: [-0, +1]. An actor; NULL: one with nothing in it. */
void context_push_actor(lua_State *lua, const struct actor *actor);

#endif
