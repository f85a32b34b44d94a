/* conflict.c: see conflict.h. */
#include "store/conflict.h"

bool conflict_unless_next(const struct store_record *record, int64_t sequence,
                          const unsigned char hash[DIGEST_BYTES], struct fault *fault) {
    if (record->sequence == sequence + 1 &&
        memcmp(record->previous_hash, hash, DIGEST_BYTES) == 0) {
        return true;
    }
    return fault_set(fault, FAULT_STORE_CONFLICT,
                     "record %lld of %.*s %.*s does not continue its chain at %lld",
                     (long long)record->sequence, TEXT_ARGS(record->machine),
                     TEXT_ARGS(record->entity_id), (long long)sequence);
}

bool conflict_changed(struct text machine, struct text id, struct fault *fault) {
    return fault_set(fault, FAULT_STORE_CONFLICT, "%.*s %.*s was changed meanwhile",
                     TEXT_ARGS(machine), TEXT_ARGS(id));
}
