#include "unit/base/check.h"

#include "base/id.h"

static void fill(void *context, unsigned char *out, size_t length) {
    memset(out, *(unsigned char *)context, length);
}

static struct text make(unsigned char random, int64_t wall_us, char out[ID_LENGTH]) {
    struct id_source source = {fill, &random};
    id_uuid7(&source, wall_us, out);
    return (struct text){out, ID_LENGTH};
}

/* The instant of RFC 9562 appendix A.6, plus a fraction of its millisecond. */
#define RFC_WALL_US (INT64_C(0x017F22E279B0) * 1000 + 797)

static void version_variant_and_time_lie_where_rfc_9562_puts_them(void **state) {
    (void)state;
    char out[ID_LENGTH];
    check_text(make(0x00, RFC_WALL_US, out), "017f22e2-79b0-7cc0-8000-000000000000");
    check_text(make(0xFF, RFC_WALL_US, out), "017f22e2-79b0-7cc0-bfff-ffffffffffff");
    check_text(make(0x5A, 0, out), "00000000-0000-7000-9a5a-5a5a5a5a5a5a");
    check_text(make(0x00, 999, out), "00000000-0000-7ffb-8000-000000000000");
}

static void a_clock_before_1970_reads_as_1970(void **state) {
    (void)state;
    char out[ID_LENGTH];
    check_text(make(0x00, -1, out), "00000000-0000-7000-8000-000000000000");
    check_text(make(0x00, INT64_MIN, out), "00000000-0000-7000-8000-000000000000");
}

static void identifiers_sort_by_the_microsecond(void **state) {
    (void)state;
    char earlier[ID_LENGTH], later[ID_LENGTH];
    make(0xFF, RFC_WALL_US, earlier);
    for (int64_t us = 1; us < 3000; us++) {
        make(us % 2 == 0 ? 0x00 : 0xFF, RFC_WALL_US + us, later);
        assert_true(memcmp(earlier, later, ID_LENGTH) < 0);
        memcpy(earlier, later, ID_LENGTH);
    }
}

static void system_identifiers_differ_and_are_uuids(void **state) {
    (void)state;
    struct id_source source = id_system();
    char first[ID_LENGTH], second[ID_LENGTH];
    id_uuid7(&source, RFC_WALL_US, first);
    id_uuid7(&source, RFC_WALL_US, second);
    assert_memory_not_equal(first, second, ID_LENGTH);
    assert_true(id_is_uuid((struct text){first, ID_LENGTH}));
}

static void uuids_of_any_version_and_case_are_recognised(void **state) {
    (void)state;
    assert_true(id_is_uuid(TEXT("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")));
    assert_true(id_is_uuid(TEXT("C232AB00-9414-11EC-B3C8-9F6BDECED846")));
    assert_true(id_is_uuid(TEXT("00000000-0000-0000-0000-000000000000")));
}

static void what_is_not_a_uuid_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"",
                                        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
                                        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
                                        "017f22e279b07cc398c4dc0c0c07398f",
                                        "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
                                        "017f22e2-79b0-7cc3-98c4+dc0c0c07398f",
                                        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
                                        "017f22e-279b0-7cc3-98c4-dc0c0c07398f",
                                        "------------------------------------"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(id_is_uuid(text_of(cases[i])));
    }
    assert_false(id_is_uuid(TEXT_NONE));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_variant_and_time_lie_where_rfc_9562_puts_them),
        cmocka_unit_test(a_clock_before_1970_reads_as_1970),
        cmocka_unit_test(identifiers_sort_by_the_microsecond),
        cmocka_unit_test(system_identifiers_differ_and_are_uuids),
        cmocka_unit_test(uuids_of_any_version_and_case_are_recognised),
        cmocka_unit_test(what_is_not_a_uuid_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
