#include "unit/base/check.h"

#include "store/store.h"

static const struct {
    const char *url, *shown;
} urls[] = {
    {"sqlite:/a:b@c/x?y=z.db", "sqlite:/a:b@c/x?y=z.db"},
    {"postgresql://host/db", "postgresql://host/db"},
    {"postgresql://host:5432/db", "postgresql://host:5432/db"},
    {"postgresql://ann@host:5432/db", "postgresql://ann@host:5432/db"},
    {"postgresql://ann:secret@host:5432/db", "postgresql://ann@host:5432/db"},
    {"postgres://ann:secret@[::1]:5432,b:1/db", "postgres://ann@[::1]:5432,b:1/db"},
    {"postgresql://:secret@host", "postgresql://@host"},
    {"postgresql://ann:se:cret@x@host/db", "postgresql://ann@host/db"},
    {"postgresql://ann:secret/?=secret@host/db", "postgresql://ann@host/db"},
    {"postgresql://host/db?user=ann&password=secret", "postgresql://host/db?..."},
    {"postgresql://ann:secret@host/db?x=y", "postgresql://ann@host/db?..."},
    {"postgresql:ann:secret@host", "postgresql@host"},
    {"ann:secret@host", "ann@host"},
    {"redis://:secret@host:6379/0", "redis://@host:6379/0"},
    {"host=localhost password=secret", "host=..."},
    {"statute.db", "statute.db"},
    {"", ""},
};

static void a_url_is_shown_without_what_may_be_a_password(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        check_text(store_url_show(&arena, text_of(urls[i].url)), urls[i].shown);
    }
    arena_deinit(&arena);
}

static void a_url_that_names_no_store_is_quoted_without_it_too(void **state) {
    (void)state;
    struct store *store;
    struct fault fault = FAULT_INIT;
    assert_false(store_open(TEXT("mysql://ann:secret@host/db"), STORE_READER, &store, &fault));
    assert_non_null(strstr(fault.message, "\"mysql://ann@host/db\" names no store"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_shown_without_what_may_be_a_password),
        cmocka_unit_test(a_url_that_names_no_store_is_quoted_without_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
