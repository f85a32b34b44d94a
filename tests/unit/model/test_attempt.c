#include "unit/base/check.h"

#include "model/attempt.h"

static void isolation_levels_go_by_their_sql_names(void **state) {
    (void)state;
    for (int i = ISOLATION_READ_COMMITTED; i <= ISOLATION_SERIALIZABLE; i++) {
        assert_int_equal(isolation_of_name(isolation_name((enum isolation)i)), i);
    }
    check_text(isolation_name(ISOLATION_SERIALIZABLE), "serializable");
}

static void the_default_isolation_is_read_committed(void **state) {
    (void)state;
    check_text(isolation_name(ISOLATION_DEFAULT), "read committed");
    assert_int_equal(isolation_of_name(TEXT("read uncommitted")), ISOLATION_DEFAULT);
    assert_int_equal(isolation_of_name(TEXT("READ COMMITTED")), ISOLATION_DEFAULT);
    assert_int_equal(isolation_of_name(TEXT_NONE), ISOLATION_DEFAULT);
}

static void every_reason_of_the_contract_is_known(void **state) {
    (void)state;
    static const char *const reasons[] = {"user_action", "system_auto",   "batch",
                                          "migration",   "api",           "timer",
                                          "webhook",     "admin_override"};
    assert_int_equal(attempt_reason_count, COUNT_OF(reasons));
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        assert_true(attempt_is_reason(text_of(reasons[i])));
    }
}

static void no_other_reason_is_known(void **state) {
    (void)state;
    assert_false(attempt_is_reason(TEXT("")));
    assert_false(attempt_is_reason(TEXT_NONE));
    assert_false(attempt_is_reason(TEXT("user")));
    assert_false(attempt_is_reason(TEXT("user_action ")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isolation_levels_go_by_their_sql_names),
        cmocka_unit_test(the_default_isolation_is_read_committed),
        cmocka_unit_test(every_reason_of_the_contract_is_known),
        cmocka_unit_test(no_other_reason_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
