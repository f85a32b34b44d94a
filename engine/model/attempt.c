/* attempt.c: the names that attempts are made of. */
#include "model/attempt.h"

static const struct text isolation_names[] = {
    [ISOLATION_DEFAULT] = TEXT("read committed"),
    [ISOLATION_READ_COMMITTED] = TEXT("read committed"),
    [ISOLATION_REPEATABLE_READ] = TEXT("repeatable read"),
    [ISOLATION_SERIALIZABLE] = TEXT("serializable"),
};

struct text isolation_name(enum isolation isolation) {
    return isolation_names[isolation];
}

enum isolation isolation_of_name(struct text name) {
    for (int i = ISOLATION_READ_COMMITTED; i <= ISOLATION_SERIALIZABLE; i++) {
        if (text_equal(isolation_names[i], name)) {
            return (enum isolation)i;
        }
    }
    return ISOLATION_DEFAULT;
}

const struct text attempt_reasons[] = {
    TEXT("user_action"), TEXT("system_auto"), TEXT("batch"),   TEXT("migration"),
    TEXT("api"),         TEXT("timer"),       TEXT("webhook"), TEXT("admin_override"),
};
const size_t attempt_reason_count = sizeof attempt_reasons / sizeof attempt_reasons[0];

bool attempt_wants_version(const struct attempt *attempt, int64_t version) {
    bool wanted = attempt->if_version_count == 0;
    for (size_t i = 0; !wanted && i < attempt->if_version_count; i++) {
        wanted = attempt->if_versions[i] == version;
    }
    return wanted;
}

bool attempt_is_reason(struct text reason) {
    for (size_t i = 0; i < attempt_reason_count; i++) {
        if (text_equal(attempt_reasons[i], reason)) {
            return true;
        }
    }
    return false;
}
