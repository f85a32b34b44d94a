/* policy.h: what policy files decide. No room below sees Lua.
 * Room policy/: generations, decisions, effects, access, explanations. Pure: it uses lua/, privacy/
 * and the rooms inside it, and knows neither store nor lock. How to use: generation_load builds
 * everything at once (files, checks, one VM a thread); publish the pointer; each thread asks with
 * its own VM through policy_decide. The result of a decision lives in the arena given. A generation
 * is immutable but for its VMs, each of which belongs to the one thread whose number it has. */
#ifndef STATUTE_POLICY_H
#define STATUTE_POLICY_H

#include "base/now.h"
#include "base/problem.h"
#include "lua/limits.h"
#include "model/attempt.h"
#include "model/decision.h"
#include "model/entity.h"
#include "policy/rules/machine.h"
#include "policy/rules/roles.h"
#include "privacy/pii.h"

struct generation;

struct generation_options {
    struct text directory;
    struct vm_limits limits;
    unsigned vm_count; /* one VM for each thread that decides */
    struct now now;
    struct text hash_key; /* secret of pii `hash`; empty: a fixed development key, logged as such by
                             the server */
    struct text hash_keys; /* a file of them, see keyring.h; empty: `hash_key` alone */
};

/* Loads, checks and proves a whole directory. On false with FAULT_POLICY_INVALID `problems` holds
 * every problem of every file, ordered by file and line; FAULT_ENVIRONMENT: the directory cannot be
 * read. The new generation has one reference. */
bool generation_load(const struct generation_options *options, struct generation **out,
                     struct problem_list *problems, struct fault *fault) MUST_CHECK;
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation); /* any thread; frees the VMs with the last */

struct text generation_name(const struct generation *generation); /* SHA-256 of the content, hex */
int64_t generation_loaded_us(const struct generation *generation);
struct text
generation_files_json(const struct generation *generation); /* {"task.lua": "text..."} */
size_t generation_machine_count(const struct generation *generation);
const struct machine *generation_machine_at(const struct generation *generation,
                                            size_t index); /* in name order */
const struct machine *generation_machine(const struct generation *generation,
                                         struct text name); /* NULL: none */
/* Every permission a machine names, sorted, without doubles: for `check`. */
const struct js *generation_permissions(const struct generation *generation, struct arena *arena);
const struct js *
generation_roles(const struct generation *generation,
                 struct arena *arena); /* {role: [permissions, inherited ones too]} */

/* What a decision may read, inside the caller's transaction. Either may raise a fault. */
struct policy_reads {
    bool (*find)(void *context, struct arena *arena, struct text machine, struct text id,
                 const struct entity **out, struct fault *fault); /* *out NULL: none */
    bool (*count)(void *context, struct text machine, const struct text *states, size_t state_count,
                  const struct js *where, int64_t *out, struct fault *fault);
    void *context;
};

/* What decides: a generation and the number of the calling thread's VM in it. */
struct policy {
    struct generation *generation;
    unsigned vm;
};

/* Decides a CREATE, UPDATE or TRANSITION attempt on `entity` (exists == false for CREATE). True
 * with a decision, allowed or refused (decision.code); false only when a read failed (the fault of
 * `reads`). A policy that errs or is over budget is a decision with FAULT_POLICY_ERROR. Order of
 * the checks of a transition: it exists (invalid_transition), its permission and that of the fields
 * changed (permission_denied), prepare, fields and validate (validation_failed, all together),
 * guards: transition, then `require` of the target (guard_rejected, all together), effects, fields
 * again. A creation and a change of data ask `create` and `update` for permission and guards.
 * `required_permission`s of `skip_permissions` attempts are not asked. */
bool policy_decide(struct policy policy, struct arena *arena, const struct attempt *attempt,
                   const struct entity *entity, int64_t now_us, const struct policy_reads *reads,
                   struct decision *out, struct fault *fault) MUST_CHECK;

/* The timers that an entity has by these rules, in `out`, which says FAULT_POLICY_ERROR when a
 * delay function failed, FAULT_UNKNOWN_MACHINE or FAULT_INVALID_TRANSITION when the rules know
 * nothing of its machine or its state. The same as policy_decide found at its latest change
 * (decide_timers.c).
 */
bool policy_timers(struct policy policy, struct arena *arena, const struct entity *entity,
                   const struct policy_reads *reads, struct decision *out,
                   struct fault *fault) MUST_CHECK;

/* The transitions out of the entity's state for this actor, as the API shows them:
 * [{to, name, permitted, allowed, messages, required_permissions, final, doc?}]. A policy that
 * fails on one is a message of that one; false only when a read failed. */
bool policy_ways(struct policy policy, struct arena *arena, const struct entity *entity,
                 const struct actor *actor, int64_t now_us, const struct policy_reads *reads,
                 const struct js **out, struct fault *fault) MUST_CHECK;

/* Whether the actor may read the entity, by its machine's `read`: *out is allowed, or refused with
 * FAULT_PERMISSION_DENIED or FAULT_POLICY_ERROR. False only when a read failed. */
bool policy_read(struct policy policy, struct arena *arena, const struct entity *entity,
                 const struct actor *actor, int64_t now_us, const struct policy_reads *reads,
                 struct decision *out, struct fault *fault) MUST_CHECK;

/* --- personal data (pii.h; pure C, any thread) --- */
/* All take the machine whose rules hold besides those for all; TEXT_NONE: those alone. */
/* metadata and patches: keys dropped, masked, hashed; strings redacted. NULL stays NULL. */
const struct js *generation_clean(const struct generation *generation, struct text machine,
                                  struct arena *arena, const struct js *value);
const struct js *generation_clean_as(const struct generation *generation, struct text machine,
                                     struct arena *arena, const struct js *value, unsigned how);
/* comments and error messages: patterns in free text redacted. */
struct text generation_clean_text(const struct generation *generation, struct text machine,
                                  struct arena *arena, struct text text);
/* What a policy said of an attempt, whoever caused it: patterns redacted, and what it quotes from
 * under personal keys of the attempt and the entity. Its data and effects stay as they are. */
void generation_clean_decision(const struct generation *generation, struct arena *arena,
                               const struct attempt *attempt, const struct entity *entity,
                               struct decision *decision);
/* The same of a policy's failure. */
void generation_clean_fault(const struct generation *generation, struct arena *arena,
                            const struct attempt *attempt, const struct entity *entity,
                            struct fault *fault);
/* {path: [hash under the current key, under older ones...]} of all values under hashed keys. */
const struct js *generation_hashes(const struct generation *generation, struct text machine,
                                   struct arena *arena, const struct js *value);
/* Whether both hash alike. */
bool generation_same_keys(const struct generation *a, const struct generation *b);

#endif
