/* guard.c: counts that hold, and looks that are confirmed.
 *
 * Each machine has an advisory lock. Who counts it has the lock alone from the count to the end of
 * the transaction; who writes entities of it shares the lock from the write on. So no count changes
 * between a decision and its commit, and those who only write never wait for each other. What is
 * not there cannot be locked: who looked for an entity in vain has its machine's lock alone while
 * it writes.
 *
 * Nothing is waited for in a circle, because all wait in one order: rows of entities by key, then
 * machines by the number of their lock, then (batch.c) keys of new rows. What would be out of order
 * is only tried: a lock with a smaller number than one at hand, and every row that was looked at.
 * Who does not get it runs again, and asks for all of it first.
 *
 * A transaction with a snapshot of its own (repeatable read, serializable) does not see what was
 * committed while it waited for the lock, and there is no lock that is had before the snapshot. So
 * it may not count. */
#include "store/postgres/guard.h"

#include <stdlib.h>

static const char GUARD[] = "SELECT statute_guard($1::bigint[]::integer[], $2::boolean[], "
                            "$3::boolean[])";
static const char CONFIRM[] =
    "SELECT statute_confirm($1::bigint[]::integer[], $2::boolean[], $3::boolean[], $4::bigint[], "
    "$5::bigint[], $6::bigint[], $7::boolean[], $8::text[], $9::text[])";

/* FNV-1a: the same on every node. Two machines with one number only wait more than they must. */
static int32_t key_of(struct text machine) {
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < machine.length; i++) {
        hash = (hash ^ (unsigned char)machine.bytes[i]) * UINT32_C(16777619);
    }
    return (int32_t)hash;
}

/* --- what the transaction has --- */

static struct guard *find(struct postgres_store *self, int32_t key) {
    for (size_t i = 0; i < self->guard_count; i++) {
        if (self->guards[i].key == key) {
            return &self->guards[i];
        }
    }
    return NULL;
}

static void keep(struct postgres_store *self, struct guard guard) {
    if (self->guard_count == self->guard_capacity) {
        size_t capacity = self->guard_capacity == 0 ? 8 : self->guard_capacity * 2;
        struct guard *grown = ARENA_ARRAY(&self->arena, struct guard, capacity);
        if (self->guard_count > 0) {
            memcpy(grown, self->guards, self->guard_count * sizeof *grown);
        }
        self->guards = grown;
        self->guard_capacity = capacity;
    }
    self->guards[self->guard_count++] = guard;
}

static bool is_last(const struct postgres_store *self, int32_t key) {
    for (size_t i = 0; i < self->guard_count; i++) {
        if (self->guards[i].key >= key) {
            return false;
        }
    }
    return true;
}

/* --- what it asks for --- */

struct asked {
    struct guard *items;
    size_t count;
};

static void ask(struct postgres_store *self, struct asked *asked, struct text machine,
                bool exclusive) {
    int32_t key = key_of(machine);
    const struct guard *kept = find(self, key);
    if (kept != NULL && (kept->exclusive || !exclusive)) {
        return;
    }
    for (size_t i = 0; i < asked->count; i++) {
        if (asked->items[i].key == key) {
            asked->items[i].exclusive |= exclusive;
            return;
        }
    }
    asked->items[asked->count++] = (struct guard){key, exclusive};
}

static int by_key(const void *a, const void *b) {
    int32_t left = ((const struct guard *)a)->key, right = ((const struct guard *)b)->key;
    return (left > right) - (left < right);
}

/* Whether to wait is decided before any of them is kept: they come in order. */
static void add_asked(struct postgres_store *self, struct values *values,
                      const struct asked *asked) {
    struct array keys, exclusive, waits;
    array_init_integers(&keys, &self->scratch);
    array_init_bools(&exclusive, &self->scratch);
    array_init_bools(&waits, &self->scratch);
    if (asked->count > 1) {
        qsort(asked->items, asked->count, sizeof *asked->items, by_key);
    }
    for (size_t i = 0; i < asked->count; i++) {
        array_add_integer(&keys, asked->items[i].key);
        array_add_bool(&exclusive, asked->items[i].exclusive);
        array_add_bool(&waits, is_last(self, asked->items[i].key));
    }
    values_add_array(values, &keys);
    values_add_array(values, &exclusive);
    values_add_array(values, &waits);
}

static void keep_asked(struct postgres_store *self, const struct asked *asked) {
    for (size_t i = 0; i < asked->count; i++) {
        struct guard *kept = find(self, asked->items[i].key);
        if (kept != NULL) {
            kept->exclusive |= asked->items[i].exclusive;
        } else {
            keep(self, asked->items[i]);
        }
    }
}

/* --- counting --- */

static bool take(struct postgres_store *self, const struct asked *asked, struct fault *fault) {
    struct values values;
    values_init(&values, &self->scratch);
    add_asked(self, &values, asked);
    if (!postgres_run(self, GUARD, &values, fault)) {
        return false;
    }
    if (!cell_bool(wire_result(&self->wire, 0), 0, 0)) {
        return fault_set(fault, FAULT_STORE_CONFLICT,
                         "%s: somebody else is counting, or writing what is counted",
                         self->wire.name);
    }
    keep_asked(self, asked);
    return true;
}

bool postgres_guard(struct store *store, const struct text *machines, size_t count,
                    struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    if (self->phase != PG_WRITING) {
        return true;
    }
    if (self->isolation > ISOLATION_READ_COMMITTED) {
        return fault_set(
            fault, FAULT_STORE_CONFLICT,
            "%s: a snapshot does not see what others commit before they are locked out",
            self->wire.name);
    }
    arena_reset(&self->scratch);
    struct asked asked = {.items = ARENA_ARRAY(&self->scratch, struct guard, count)};
    for (size_t i = 0; i < count; i++) {
        ask(self, &asked, machines[i], true);
    }
    return asked.count == 0 || take(self, &asked, fault);
}

/* --- confirming --- */

/* The parameters of CONFIRM behind the guards. */
struct looks {
    struct array numbers, versions, sequences, written, absent_machines, absent_ids;
};

static void looks_init(struct looks *looks, struct arena *arena) {
    array_init_integers(&looks->numbers, arena);
    array_init_integers(&looks->versions, arena);
    array_init_integers(&looks->sequences, arena);
    array_init_bools(&looks->written, arena);
    array_init_texts(&looks->absent_machines, arena);
    array_init_texts(&looks->absent_ids, arena);
}

static bool is_in_doubt(const struct seen *seen) {
    return seen->known && seen->hold != STORE_HOLD &&
           (seen->hold == STORE_LOOK || seen->written || seen->number == 0);
}

static void add_look(struct postgres_store *self, struct looks *looks, struct asked *asked,
                     const struct seen *seen) {
    if (seen->number != 0) {
        array_add_integer(&looks->numbers, seen->number);
        array_add_integer(&looks->versions, seen->version_read);
        array_add_integer(&looks->sequences, seen->sequence_read);
        array_add_bool(&looks->written, seen->written);
    } else if (!seen->written) {
        array_add_text(&looks->absent_machines, seen->machine);
        array_add_text(&looks->absent_ids, seen->id);
        ask(self, asked, seen->machine, true);
    }
}

static void add_looks(struct values *values, struct looks *looks) {
    values_add_array(values, &looks->numbers);
    values_add_array(values, &looks->versions);
    values_add_array(values, &looks->sequences);
    values_add_array(values, &looks->written);
    values_add_array(values, &looks->absent_machines);
    values_add_array(values, &looks->absent_ids);
}

/* Heads of chains are counted by nobody. */
static void ask_written(struct postgres_store *self, struct asked *asked,
                        const struct changes *changes) {
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->items[i].entity != NULL) {
            ask(self, asked, changes->items[i].seen->machine, false);
        }
    }
}

void guard_queue_confirm(struct postgres_store *self, const struct plan *plan) {
    struct values values;
    struct looks looks;
    size_t most = self->seen.count;
    struct asked asked = {.items = ARENA_ARRAY(&self->scratch, struct guard, most)};
    looks_init(&looks, &self->scratch);
    ask_written(self, &asked, &plan->inserts);
    ask_written(self, &asked, &plan->updates);
    for (size_t i = 0; i < most; i++) {
        const struct seen *seen = self->seen.entries[i].value;
        if (is_in_doubt(seen)) {
            add_look(self, &looks, &asked, seen);
        }
    }
    values_init(&values, &self->scratch);
    add_asked(self, &values, &asked);
    add_looks(&values, &looks);
    postgres_queue(self, CONFIRM, &values);
    keep_asked(self, &asked); /* unless it fails, and then the transaction is over */
}

void guard_confirmed(struct postgres_store *self) {
    for (size_t i = 0; i < self->seen.count; i++) {
        struct seen *seen = self->seen.entries[i].value;
        if (is_in_doubt(seen)) {
            seen->hold = seen->written ? STORE_HOLD : STORE_SHARE;
        }
        seen->written = false;
    }
}
