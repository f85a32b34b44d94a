/* The description and the routes are two lists of the same calls: each is checked against the
 * other. */
#include "unit/base/check.h"

#include "api/route.h"

extern const struct text openapi_json;

static const char *const methods[] = {"get", "head", "post", "put", "patch", "delete", "options"};

static struct arena arena;
static const struct js *paths;
static unsigned differences;

static int make(void **state) {
    (void)state;
    const struct js *description;
    struct fault fault = FAULT_INIT;
    arena_init(&arena, 0);
    if (!js_parse(&arena, openapi_json, &description, &fault)) {
        fail_msg("openapi.json: %s", fault.message);
    }
    paths = js_find(description, TEXT("paths"));
    differences = 0;
    return 0;
}

static int unmake(void **state) {
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void differ(const char *what, const char *method, struct text path) {
    print_error("%s: %s %.*s\n", what, method, TEXT_ARGS(path));
    differences++;
}

static const struct js *operation_of(const struct route *route) {
    return js_find(js_find(paths, text_of(route->path)), text_of(methods[route->method]));
}

/* The only requirement, {"bearer": [scopes]}; NULL when there is none: everybody may call. */
static const struct js *scopes_of(const struct js *operation) {
    const struct js *security = js_find(operation, TEXT("security"));
    assert_true(js_is(security, JS_ARRAY));
    return security->array.count == 0 ? NULL : js_find(security->array.items[0], TEXT("bearer"));
}

static bool has_scope(const struct js *operation, const struct route *route) {
    const struct js *scopes = scopes_of(operation);
    if (route->open || scopes == NULL) {
        return route->open && scopes == NULL;
    }
    if (route->scope == 0) {
        return scopes->array.count == 0;
    }
    return scopes->array.count == 1 &&
           text_equal(js_text(scopes->array.items[0]), scope_name((enum scope)route->scope));
}

static bool is_routed(const char *method, struct text path) {
    for (size_t i = 0; i < route_count; i++) {
        if (strcmp(methods[route_table[i].method], method) == 0 &&
            text_equal(path, text_of(route_table[i].path))) {
            return true;
        }
    }
    return false;
}

static void every_route_is_described(void **state) {
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const struct route *route = &route_table[i];
        const struct js *operation = operation_of(route);
        const char *method = methods[route->method];
        struct text path = text_of(route->path);
        if (operation == NULL) {
            differ("not described", method, path);
        } else if (!has_scope(operation, route)) {
            differ("described with another scope", method, path);
        } else if ((js_find(operation, TEXT("requestBody")) != NULL) != route->has_body) {
            differ("described otherwise as to the body", method, path);
        }
    }
    assert_int_equal(differences, 0);
}

static void every_described_operation_is_a_route(void **state) {
    (void)state;
    assert_true(js_is(paths, JS_OBJECT));
    assert_true(paths->object.count > 0);
    for (size_t i = 0; i < paths->object.count; i++) {
        const struct js_member *path = &paths->object.members[i];
        for (size_t j = 0; j < COUNT_OF(methods); j++) {
            if (js_find(path->value, text_of(methods[j])) != NULL &&
                !is_routed(methods[j], path->key)) {
                differ("described, but no route", methods[j], path->key);
            }
        }
    }
    assert_int_equal(differences, 0);
}

/* The parameters of a path are declared: once for each {name} in it. */
static void check_parameter(const struct js *parameters, struct text name, struct text path) {
    for (size_t i = 0; parameters != NULL && i < parameters->array.count; i++) {
        const struct js *parameter = parameters->array.items[i];
        struct text reference = js_text(js_find(parameter, TEXT("$ref")));
        if (text_equal(js_text(js_find(parameter, TEXT("name"))), name) ||
            (text_equal(name, TEXT("machine")) && text_ends(reference, TEXT("/Machine"))) ||
            (text_equal(name, TEXT("id")) && text_ends(reference, TEXT("Id")))) {
            return;
        }
    }
    differ("a parameter is not described", "any", path);
}

static void the_parameters_of_every_path_are_described(void **state) {
    (void)state;
    for (size_t i = 0; i < paths->object.count; i++) {
        const struct js_member *path = &paths->object.members[i];
        const struct js *parameters = js_find(path->value, TEXT("parameters"));
        const char *end = path->key.bytes + path->key.length;
        for (const char *at = path->key.bytes; at < end; at++) {
            const char *close = *at == '{' ? memchr(at, '}', (size_t)(end - at)) : NULL;
            if (close != NULL) {
                check_parameter(parameters, (struct text){at + 1, (size_t)(close - at - 1)},
                                path->key);
            }
        }
    }
    assert_int_equal(differences, 0);
}

static void every_code_that_can_be_answered_is_described(void **state) {
    (void)state;
    const struct js *description;
    struct fault fault = FAULT_INIT;
    assert_true(js_parse(&arena, openapi_json, &description, &fault));
    const struct js *components = js_find(description, TEXT("components"));
    const struct js *code = js_find(js_find(components, TEXT("schemas")), TEXT("Code"));
    const struct js *names = js_find(code, TEXT("enum"));
    for (int i = FAULT_NONE + 1; i < FAULT_STORE_CONFLICT; i++) {
        bool found = false;
        for (size_t j = 0; j < names->array.count; j++) {
            found = found || text_equal(js_text(names->array.items[j]),
                                        text_of(fault_name((enum fault_code)i)));
        }
        if (!found) {
            differ("code not described", fault_name((enum fault_code)i), TEXT(""));
        }
    }
    assert_int_equal(differences, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_route_is_described),
        TEST(every_described_operation_is_a_route),
        TEST(the_parameters_of_every_path_are_described),
        TEST(every_code_that_can_be_answered_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
