/* execute.c: one attempt, from judgement to record.
 *
 *   judge ──refused──────────────────────────────┐
 *     │ allowed                                  │
 *   apply (slot) ─ audit_append ─ outbox_append  │
 *     │                                          │
 *   each create and follow: the same again ─refused
 *     │                                          │
 *   done                     work_back to the mark, then one record of the refusal
 *
 * What follows is the policy's own act: its guards hold, but permissions are not asked again, and
 * being there already is fine. Its records name their cause. */
#include "core/execute.h"

#include "core/audit.h"
#include "core/clean.h"
#include "core/follow.h"
#include "core/outbox.h"
#include "core/rows.h"

static void refuse(struct outcome *out, enum fault_code code, struct text message) {
    out->code = code;
    out->message = message;
}

/* --- judgement --- */

static bool is_unknown_machine(const struct work *work, const struct attempt *attempt) {
    return core_machine(work->core, attempt) == NULL;
}

static struct text named(struct arena *arena, const struct attempt *attempt, const char *what) {
    return text_print(arena, "%.*s '%.*s' %s", TEXT_ARGS(attempt->machine), TEXT_ARGS(attempt->id),
                      what);
}

static bool has_weak(const struct attempt *attempt) {
    for (size_t i = 0; i < attempt->if_version_count; i++) {
        if (attempt->if_versions[i] == VERSION_WEAK) {
            return true;
        }
    }
    return false;
}

/* Refusals for which no policy has to be asked. */
static bool is_out_of_question(struct work *work, const struct attempt *attempt,
                               const struct entity *entity, struct outcome *out) {
    struct arena *arena = &work->core->arena;
    if (is_unknown_machine(work, attempt)) {
        refuse(out, FAULT_UNKNOWN_MACHINE,
               text_print(arena, "no machine '%.*s' is loaded", TEXT_ARGS(attempt->machine)));
    } else if (attempt->kind == ATTEMPT_CREATE && entity->exists) {
        refuse(out, FAULT_ALREADY_EXISTS, named(arena, attempt, "exists already"));
    } else if (attempt->kind != ATTEMPT_CREATE && !entity->exists) {
        refuse(out, FAULT_ENTITY_NOT_FOUND, named(arena, attempt, "does not exist"));
    } else if (!attempt_wants_version(attempt, entity->version)) {
        refuse(out, FAULT_VERSION_CONFLICT,
               text_print(arena, "another version was expected, but the entity has version %lld%s",
                          (long long)entity->version,
                          has_weak(attempt) ? "; W/ marks a weak validator, which If-Match never "
                                              "matches: send the version in quotes alone, as ETag "
                                              "gave it"
                                            : ""));
    }
    return out->code != FAULT_NONE;
}

static bool judge(struct work *work, const struct attempt *attempt, const struct slot *slot,
                  struct outcome *out, struct fault *fault) {
    const struct entity *entity = work_present(work, slot);
    if (is_out_of_question(work, attempt, entity, out)) {
        return true;
    }
    struct policy_reads reads = work_reads(work);
    struct decision *decision = ARENA_NEW(&work->core->arena, struct decision);
    if (!policy_decide(work->core->policy, &work->core->arena, attempt, entity, work->now_us,
                       &reads, decision, fault)) {
        return false;
    }
    generation_clean_decision(work->core->policy.generation, &work->core->arena, attempt, entity,
                              decision);
    out->decision = decision;
    out->to = text_given(decision->to) ? decision->to : out->to;
    refuse(out, decision->code, decision->message);
    return true;
}

/* --- application --- */

static void apply(struct work *work, struct slot *slot, const struct attempt *attempt,
                  const struct decision *decision) {
    struct entity *entity = &slot->current;
    work_touch(work, slot);
    entity->updated_us = work->now_us;
    if (attempt->kind == ATTEMPT_CREATE) {
        entity->exists = true;
        entity->created_us = attempt->created_us != 0 ? attempt->created_us : work->now_us;
        entity->updated_us = attempt->updated_us != 0 ? attempt->updated_us : work->now_us;
    }
    entity->state = decision->to;
    entity->data = decision->data;
    entity->data_json = TEXT_NONE;
    entity->version++;
    slot->body_changed = true;
    slot->row_due = true;
    slot->gone = false;
    if (attempt->kind != ATTEMPT_UPDATE) {
        entity->entered_us = work->now_us;
    }
    if (decision->timers_changed || decision->timers_asked) {
        slot->disarm = slot->disarm || decision->timers_changed;
        slot->rearm = !slot->disarm;
        slot->timers = decision->timers;
        slot->timer_count = decision->timer_count;
        slot->chain = work->chain;
    }
}

static void describe(struct work *work, const struct slot *slot, struct outcome *out) {
    out->version = slot->current.version;
    out->entity = NULL;
    if (slot->current.exists && !slot->gone) {
        struct entity *copy = ARENA_NEW(&work->core->arena, struct entity);
        *copy = slot->current;
        follow_present(work->core, &work->core->arena, copy, 1);
        out->entity = copy;
    }
}

/* The data is printed once: for its hash, for the store and for the answer. `before` is the data
 * that the attempt met. */
static void record(struct work *work, struct slot *slot, const struct attempt *attempt,
                   const struct js *before, struct outcome *out) {
    work_touch(work, slot);
    if (slot->current.exists) {
        slot->current.data_json = entity_data_json(&work->core->arena, &slot->current);
    }
    describe(work, slot, out);
    audit_append(work, slot, attempt, before, out);
}

/* --- what follows --- */

static bool carry_out(struct work *work, const struct attempt *asked, unsigned depth,
                      struct outcome *out, struct fault *fault);

static struct attempt effect_of(const struct attempt *cause, const struct outcome *out,
                                enum attempt_kind kind, const struct js *effect) {
    return (struct attempt){
        .kind = kind,
        .machine = js_text(js_find(effect, TEXT("machine"))),
        .id = js_text(js_find(effect, TEXT("id"))),
        .to = js_text(js_find(effect, TEXT("to"))),
        .verb = js_text(js_find(effect, TEXT("transition"))),
        .actor = cause->actor,
        .reason = TEXT("system_auto"),
        .comments = js_text(js_find(effect, TEXT("comments"))),
        .metadata = js_find(effect, TEXT("metadata")),
        .patch = js_find(effect, TEXT("data")),
        .cleaned = cause->cleaned,
        .dry_run = cause->dry_run,
        .idempotent = true,
        .skip_permissions = true,
        .by_engine = true,
        .isolation = cause->isolation,
        .request_id = cause->request_id,
        .batch = cause->batch,
        .cause = cause,
        .caused_by = text_of(out->audit_uuid),
    };
}

static struct text fresh_id(struct work *work) {
    char *id = arena_alloc(&work->core->arena, ID_LENGTH);
    id_uuid7(&work->core->ids, work->now_us, id);
    return (struct text){id, ID_LENGTH};
}

/* Is there room for one more effect? If not, `out` is refused. */
static bool has_room(struct work *work, unsigned depth, struct outcome *out) {
    if (depth < EXECUTE_DEPTH_MOST && ++work->effects <= EXECUTE_EFFECTS_MOST) {
        return true;
    }
    refuse(out, FAULT_POLICY_ERROR,
           text_print(&work->core->arena,
                      "effects never end: more than %d levels deep or %d in all",
                      EXECUTE_DEPTH_MOST, EXECUTE_EFFECTS_MOST));
    return false;
}

/* A refused effect is a refusal by the rules of this transition, whatever the other entity's reason
 * was; only a policy's own failure stays one. The innermost effect is named: those between are in
 * the records' causes. */
static void refuse_for_effect(struct work *work, const struct attempt *effect,
                              const struct outcome *child, struct outcome *out) {
    struct arena *arena = &work->core->arena;
    struct text message = child->message;
    if (!child->by_effect) {
        message = text_print(arena, "the effect on %.*s '%.*s' was refused: %.*s",
                             TEXT_ARGS(effect->machine), TEXT_ARGS(effect->id), TEXT_ARGS(message));
    }
    struct decision *decision = ARENA_NEW(arena, struct decision);
    decision->messages = js_append(arena, &js_empty_array, js_string(arena, message));
    out->decision = decision;
    out->by_effect = true;
    refuse(out, child->code == FAULT_POLICY_ERROR ? child->code : FAULT_GUARD_REJECTED, message);
}

static bool run_effect(struct work *work, const struct attempt *cause, enum attempt_kind kind,
                       const struct js *effect, unsigned depth, struct outcome *out,
                       struct fault *fault) {
    if (!has_room(work, depth, out)) {
        return true;
    }
    struct attempt attempt = effect_of(cause, out, kind, effect);
    if (!text_given(attempt.id)) {
        attempt.id = fresh_id(work);
    }
    struct outcome child = {0};
    if (!carry_out(work, &attempt, depth + 1, &child, fault)) {
        return false;
    }
    if (child.code != FAULT_NONE) {
        refuse_for_effect(work, &attempt, &child, out);
    }
    return true;
}

static bool run_effects(struct work *work, const struct attempt *cause, enum attempt_kind kind,
                        const struct js *effects, unsigned depth, struct outcome *out,
                        struct fault *fault) {
    for (size_t i = 0; effects != NULL && i < effects->array.count; i++) {
        if (!run_effect(work, cause, kind, effects->array.items[i], depth, out, fault)) {
            return false;
        }
        if (out->code != FAULT_NONE) {
            break;
        }
    }
    return true;
}

static bool follow(struct work *work, const struct attempt *attempt, unsigned depth,
                   struct outcome *out, struct fault *fault) {
    const struct decision *decision = out->decision;
    if (!run_effects(work, attempt, ATTEMPT_CREATE, decision->create, depth, out, fault)) {
        return false;
    }
    return out->code != FAULT_NONE ||
           run_effects(work, attempt, ATTEMPT_TRANSITION, decision->follow, depth, out, fault);
}

/* --- a restore --- */

/* A row of an application's table that came back by itself is no entity yet. */
static bool is_known(struct work *work, const struct slot *slot) {
    return slot->view.table != NULL ? slot->original.exists && !slot->gone
                                    : work_present(work, slot)->exists;
}

static void put_back(struct work *work, struct slot *slot, const struct attempt *attempt) {
    const struct restore *restore = attempt->restore;
    struct entity *entity = &slot->current;
    work_touch(work, slot);
    entity->exists = true;
    entity->state = attempt->to;
    entity->data = attempt->patch != NULL ? attempt->patch : &js_empty_object;
    entity->data_json = TEXT_NONE;
    entity->version = restore->version;
    entity->created_us = attempt->created_us;
    entity->updated_us = attempt->updated_us;
    entity->entered_us = restore->entered_us;
    slot->body_changed = true;
    slot->row_due = true;
    slot->gone = false;
    slot->disarm = true;
    slot->restore = restore;
    slot->timers = NULL;
    slot->timer_count = 0;
}

/* No rule is asked, nothing follows, nobody is told: only the record says that it happened. */
static void restore(struct work *work, struct slot *slot, const struct attempt *attempt,
                    struct outcome *out) {
    if (is_known(work, slot)) {
        refuse(out, FAULT_ALREADY_EXISTS, named(&work->core->arena, attempt, "exists already"));
        return;
    }
    const struct js *before = slot->current.exists ? slot->current.data : NULL;
    put_back(work, slot, attempt);
    out->changed = true;
    record(work, slot, attempt, before, out);
}

/* --- the whole --- */

/* What followed may have moved the entity itself on. */
static void describe_again(struct work *work, const struct slot *slot, struct outcome *out) {
    if (out->code == FAULT_NONE && slot->current.version != out->version) {
        describe(work, slot, out);
        out->to = slot->current.state;
    }
}

/* A timer, a batch, a caller may ask for a state by the name that it had before. */
static const struct attempt *in_names_of_today(struct work *work, const struct attempt *attempt) {
    const struct machine *machine = core_machine(work->core, attempt);
    struct text today = follow_state(machine, attempt->to);
    if (!text_given(attempt->to) || attempt->kind == ATTEMPT_RESTORE ||
        text_equal(today, attempt->to)) {
        return attempt;
    }
    struct attempt *copy = ARENA_NEW(&work->core->arena, struct attempt);
    *copy = *attempt;
    copy->to = today;
    return copy;
}

static bool carry_out(struct work *work, const struct attempt *asked, unsigned depth,
                      struct outcome *out, struct fault *fault) {
    const struct attempt *attempt = in_names_of_today(work, asked);
    int64_t started_us = now_monotonic_us(&work->core->now);
    struct slot *slot;
    if (!work_slot(work, attempt->machine, attempt->id, &slot, fault)) {
        return false;
    }
    out->from = slot->current.exists && !slot->gone ? slot->current.state : TEXT_NONE;
    out->to = attempt->kind == ATTEMPT_UPDATE ? out->from : attempt->to;
    out->version = slot->current.version;
    if (attempt->kind == ATTEMPT_RENAME) {
        out->changed = slot->renamed; /* done when it was read */
        return true;
    }
    if (attempt->kind == ATTEMPT_RESTORE) {
        restore(work, slot, attempt, out);
        return true;
    }
    if (!judge(work, attempt, slot, out, fault)) {
        return false;
    }
    out->execute_us = now_monotonic_us(&work->core->now) - started_us;
    if (out->code != FAULT_NONE) {
        return true;
    }
    out->changed = out->decision->changed;
    const struct js *before = slot->current.data;
    if (out->changed) {
        apply(work, slot, attempt, out->decision);
        if (work->careful && slot->view.table != NULL && !rows_try(work, slot, out, fault)) {
            return false;
        }
    }
    if (out->code != FAULT_NONE) {
        return true;
    }
    record(work, slot, attempt, before, out);
    outbox_append(work, attempt, out);
    if (!follow(work, attempt, depth, out, fault)) {
        return false;
    }
    describe_again(work, slot, out);
    return true;
}

static bool record_refusal(struct work *work, const struct attempt *attempt, struct outcome *out,
                           struct fault *fault) {
    struct slot *slot;
    out->changed = false;
    out->audit_uuid[0] = '\0';
    out->message = clean_text(work, attempt, out->message);
    out->to = clean_text(work, attempt, out->to);
    if (!work_slot(work, attempt->machine, attempt->id, &slot, fault)) {
        return false;
    }
    out->from = slot->current.exists ? slot->current.state : TEXT_NONE;
    describe(work, slot, out);
    if (!attempt->dry_run && !is_unknown_machine(work, attempt)) {
        record(work, slot, attempt, slot->current.data, out);
    }
    return true;
}

/* A dry run leaves nothing but its outcome, which says what would have changed; the entity's
 * version is what it was. */
static bool forget(struct work *work, const struct attempt *attempt, struct mark mark,
                   struct outcome *out, struct fault *fault) {
    struct slot *slot;
    work_back(work, mark);
    out->audit_uuid[0] = '\0';
    out->audit_sequence = 0;
    if (!work_slot(work, attempt->machine, attempt->id, &slot, fault)) {
        return false;
    }
    out->version = slot->current.version;
    return true;
}

bool execute_attempt(struct work *work, const struct attempt *attempt, struct outcome *out,
                     struct fault *fault) {
    struct mark mark = work_mark(work);
    work->effects = 0;
    if (!carry_out(work, attempt, 0, out, fault)) {
        return false;
    }
    if (out->code != FAULT_NONE) {
        work_back(work, mark);
        return record_refusal(work, attempt, out, fault);
    }
    return !attempt->dry_run || forget(work, attempt, mark, out, fault);
}

bool execute_refuse(struct work *work, const struct attempt *attempt, enum fault_code code,
                    const char *message, struct outcome *out, struct fault *fault) {
    refuse(out, code, text_of(message));
    out->to = attempt->to;
    return record_refusal(work, attempt, out, fault);
}

bool execute_fits(struct work *work, const struct attempt *attempt, const struct store_where *where,
                  struct outcome *out, struct fault *fault) {
    struct slot *slot;
    if (where == NULL) {
        return true;
    }
    if (!work_slot(work, attempt->machine, attempt->id, &slot, fault)) {
        return false;
    }
    out->skipped = !work_fits(work, slot, where);
    return true;
}

static bool execute_until_refused(struct work *work, struct member *member, size_t *refused,
                                  struct fault *fault) {
    work->effects = 0;
    for (*refused = 0; *refused < member->attempt_count; (*refused)++) {
        const struct attempt *attempt = &member->attempts[*refused];
        struct outcome *out = &member->outcomes[*refused];
        if (!execute_fits(work, attempt, member->where, out, fault) ||
            (!out->skipped && !carry_out(work, attempt, 0, out, fault))) {
            return false;
        }
        if (out->code != FAULT_NONE) {
            break;
        }
    }
    return true;
}

/* One of the others, once everything is undone. */
static bool abort_with(struct work *work, const struct member *member, size_t refused, size_t index,
                       struct fault *fault) {
    const struct attempt *attempt = &member->attempts[index];
    struct outcome *out = &member->outcomes[index];
    if (!execute_fits(work, attempt, member->where, out, fault)) {
        return false;
    }
    if (out->skipped) {
        return true;
    }
    refuse(out, FAULT_BATCH_ABORTED,
           text_print(&work->core->arena, "undone because '%.*s' was refused",
                      TEXT_ARGS(member->attempts[refused].id)));
    return record_refusal(work, attempt, out, fault);
}

bool execute_all(struct work *work, struct member *member, struct fault *fault) {
    struct mark mark = work_mark(work);
    size_t refused;
    if (!execute_until_refused(work, member, &refused, fault)) {
        return false;
    }
    if (refused == member->attempt_count) {
        return true;
    }
    work_back(work, mark);
    for (size_t i = 0; i < member->attempt_count; i++) {
        if (!(i == refused ? record_refusal(work, &member->attempts[i], &member->outcomes[i], fault)
                           : abort_with(work, member, refused, i, fault))) {
            return false;
        }
    }
    return true;
}
