/* Pictures of a machine, and the machine as JSON. */
#include "graph/graph.h"
#include "unit/policy/fixture.h"

static const char source[] = "return machine 'm' { doc = 'Work & <play>', initial = 'A', isolation "
                             "= 'serializable', retries = 5,\n"
                             "  lock = { timeout = '2s', wait = '500ms' }, strict = true,\n"
                             "  fields = { n = { type = 'integer', min = 1, doc = 'how many' } },\n"
                             "  states = {\n"
                             "  A = { doc = 'the \"start\"', to = { B = { name = 'go', permit = { "
                             "'p.go', 'p.run' }, doc = 'off' }, A = true,\n"
                             "        ['end'] = { permit = function() return true end } } },\n"
                             "  B = { to = { A = { name = 'back' }, ['x-1'] = true }, after = { "
                             "delay = '30d', to = 'end', comments = 'c' } },\n"
                             "  ['x-1'] = { to = { A = true } },\n"
                             "  ['end'] = { final = true } } }\n";

static const struct machine *load(struct fixture *fixture) {
    fixture_load_source(fixture, source);
    return fixture_machine(fixture, "m");
}

static void dot_names_states_and_ways(void **state) {
    struct fixture *fixture = *state;
    struct text dot = graph_dot(&fixture->arena, load(fixture));
    check_says(fixture, dot, "digraph \"m\" {\n");
    check_says(fixture, dot, "  \"\" -> \"A\";\n");
    check_says(fixture, dot, "  \"A\" [peripheries=1, tooltip=\"the \\\"start\\\"\"];\n");
    check_says(fixture, dot, "  \"end\" [peripheries=2];\n");
    check_says(fixture, dot, "  \"A\" -> \"B\" [label=\"go: p.go +1\"];\n");
    check_says(fixture, dot, "  \"A\" -> \"end\" [label=\"by function\"];\n");
    check_says(fixture, dot, "  \"B\" -> \"end\" [label=\"after 30d\", style=dashed];\n");
}

static void mermaid_names_states_and_ways(void **state) {
    struct fixture *fixture = *state;
    check_text(graph_mermaid(&fixture->arena, load(fixture)), "stateDiagram-v2\n"
                                                              "    state \"end\" as state_3_\n"
                                                              "    state \"x-1\" as state_4_\n"
                                                              "    [*] --> A\n"
                                                              "    A --> A\n"
                                                              "    A --> B : go [p.go +1]\n"
                                                              "    A --> state_3_ : [by function]\n"
                                                              "    B --> A : back\n"
                                                              "    B --> state_4_\n"
                                                              "    B --> state_3_ : after 30d\n"
                                                              "    state_3_ --> [*]\n"
                                                              "    state_4_ --> A\n");
}

static const char newer[] =
    "return machine 'm' { initial = 'A', states = {\n"
    "  ['*'] = { to = { C = { name = 'cancel' } } },\n"
    "  A = { to = { B = { { name = 'approve' }, { name = 'approve_large', permit = 'p' },\n"
    "                     { internal = true } } }, choose = { review = function() end } },\n"
    "  B = {}, C = { final = true } } }\n";

static void every_picture_knows_verbs_in_lists_choices_and_any_state(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, newer);
    const struct machine *machine = fixture_machine(fixture, "m");
    check_text(graph_mermaid(&fixture->arena, machine),
               "stateDiagram-v2\n"
               "    [*] --> A\n"
               "    A --> B : approve, review?\n"
               "    A --> B : approve_large, review? [p]\n"
               "    A --> B : (internal)\n"
               "    A --> C : cancel, review?\n"
               "    B --> C : cancel\n"
               "    C --> [*]\n");
    struct text dot = graph_dot(&fixture->arena, machine);
    check_says(fixture, dot, "\"A\" -> \"B\" [label=\"approve_large, review?: p\"];");
    check_says(fixture, dot, "\"B\" -> \"C\" [label=\"cancel\"];");
    struct text svg = graph_svg(&fixture->arena, machine);
    check_says(fixture, svg, "B to C (cancel); from every state");
    check_says(fixture, svg, "if 'review' chooses it");
    check_says(fixture, svg, "by effects and timers only");
}

static void mermaid_and_dot_quote_what_people_call_states(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return machine 'm' { initial = 'On \"hold\"', states = {\n"
                                 "  ['On \"hold\"'] = { to = { ['R&D: <ü>'] = true } },\n"
                                 "  ['R&D: <ü>'] = { to = { state_1_ = true } },\n"
                                 "  state_1_ = {} } }\n");
    const struct machine *machine = fixture_machine(fixture, "m");
    check_text(graph_mermaid(&fixture->arena, machine),
               "stateDiagram-v2\n"
               "    state \"On #34;hold#34;\" as state_1_\n"
               "    state \"R&D#58; #60;ü#62;\" as state_2_\n"
               "    state \"state_1_\" as state_3_\n"
               "    [*] --> state_1_\n"
               "    state_1_ --> state_2_\n"
               "    state_2_ --> state_3_\n");
    check_says(fixture, graph_dot(&fixture->arena, machine),
               "  \"On \\\"hold\\\"\" -> \"R&D: <ü>\" [label=\"\"];\n");
}

/* Every element is closed, in order: enough of XML for what is written here. */
static void check_well_formed(struct fixture *fixture, struct text svg) {
    char open[64][16];
    int depth = 0;
    const char *at = text_cstring(&fixture->arena, svg);
    while ((at = strchr(at, '<')) != NULL) {
        char name[16];
        bool is_end = at[1] == '/';
        const char *close = strchr(at, '>');
        assert_non_null(close);
        assert_int_equal(sscanf(at + (is_end ? 2 : 1), "%15[a-z]", name), 1);
        if (is_end) {
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        } else if (close[-1] != '/') {
            assert_true(depth < 64);
            strcpy(open[depth++], name);
        }
        at = close;
    }
    assert_int_equal(depth, 0);
}

static void svg_is_complete_and_escaped(void **state) {
    struct fixture *fixture = *state;
    struct text svg = graph_svg(&fixture->arena, load(fixture));
    check_well_formed(fixture, svg);
    check_says(fixture, svg, "<title id=\"title\">m</title>");
    check_says(fixture, svg, "Work &amp; &lt;play&gt;");
    check_says(fixture, svg, "<title>A: the &quot;start&quot;</title>");
    check_says(fixture, svg, "prefers-color-scheme:dark");
    check_says(fixture, svg, "class=\"state initial\"");
    check_says(fixture, svg, "class=\"state final\"");
    check_says(fixture, svg, ">p.go +1</text>");
    check_says(fixture, svg, "<title>A to B (go); needs p.go, p.run. off</title>");
    check_says(fixture, svg, "class=\"way timer\"");
    assert_null(strstr(text_cstring(&fixture->arena, svg), "<script"));
    assert_null(strstr(text_cstring(&fixture->arena, svg), "href"));
}

static void svg_escapes_what_people_call_states(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return machine 'm' { initial = 'R&D: <ü>', states = {\n"
                                 "  ['R&D: <ü>'] = { to = { ['On \"hold\"'] = true } },\n"
                                 "  ['On \"hold\"'] = {} } }\n");
    struct text svg = graph_svg(&fixture->arena, fixture_machine(fixture, "m"));
    check_well_formed(fixture, svg);
    check_says(fixture, svg, ">R&amp;D: &lt;ü&gt;</text>");
    check_says(fixture, svg, "<title>R&amp;D: &lt;ü&gt; to On &quot;hold&quot;</title>");
}

static const char *big_source(struct fixture *fixture, int states) {
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    buffer_add_text(&buffer, TEXT("local s = {}\nfor i = 0, "));
    buffer_print(&buffer,
                 "%d do s['S' .. i] = { to = { ['S' .. (i * 7 + 1) %% %d] = true, S0 = true,\n"
                 "  ['S' .. (i + 1) %% %d] = { name = 'next', permit = "
                 "'a.very.long.permission.name.indeed' } } } end\n"
                 "return machine 'm' { initial = 'S0', states = s }",
                 states - 1, states, states);
    return text_cstring(&fixture->arena, buffer_view(&buffer));
}

static void a_big_machine_is_drawn_in_time(void **state) {
    struct fixture *fixture = *state;
    static const int sizes[] = {1, 2, 30, 700};
    struct now now = now_system();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        fixture_load_source(fixture, big_source(fixture, sizes[i]));
        int64_t start_us = now_monotonic_us(&now);
        check_well_formed(fixture, graph_svg(&fixture->arena, fixture_machine(fixture, "m")));
        assert_true(now_monotonic_us(&now) - start_us < 5 * NOW_SECOND);
        generation_unref(fixture->generation);
        fixture->generation = NULL;
    }
}

static void a_machine_is_json_for_discovery(void **state) {
    struct fixture *fixture = *state;
    const struct js *json = machine_json(&fixture->arena, load(fixture));
    check_text(js_text(js_find(json, TEXT("name"))), "m");
    check_text(js_text(js_find(json, TEXT("initial"))), "A");
    check_text(js_text(js_find(json, TEXT("isolation"))), "serializable");
    check_text(js_text(js_find(json, TEXT("file"))), "test.lua");
    check_json(fixture, js_find(json, TEXT("lock")), "{\"timeout_ms\":2000,\"wait_ms\":500}");
    check_json(fixture, js_find(json, TEXT("retries")), "5");
    check_json(fixture, js_find(json, TEXT("strict")), "true");
    check_json(fixture, js_find(json, TEXT("fields")),
               "[{\"doc\":\"how "
               "many\",\"min\":1,\"name\":\"n\",\"required\":false,\"type\":\"integer\"}]");
    const struct js *states = js_find(json, TEXT("states"));
    assert_int_equal(states->array.count, 4);
    const struct js *first = states->array.items[0], *second = states->array.items[1];
    check_json(
        fixture, js_find(first, TEXT("to"))->array.items[1],
        "{\"denies\":false,\"doc\":\"off\",\"effect\":false,\"guarded\":false,\"name\":\"go\","
        "\"permit\":{\"all\":[\"p.go\",\"p.run\"]},\"permit_function\":false,"
        "\"required_permissions\":[\"p.go\",\"p.run\"],\"to\":\"B\"}");
    check_json(fixture, js_find(first, TEXT("final")), "false");
    check_json(
        fixture, js_find(second, TEXT("after")),
        "[{\"comments\":\"c\",\"delay\":\"30d\",\"reason\":\"system_auto\",\"to\":\"end\"}]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(dot_names_states_and_ways),
        fixture_test(mermaid_names_states_and_ways),
        fixture_test(svg_is_complete_and_escaped),
        fixture_test(a_big_machine_is_drawn_in_time),
        fixture_test(a_machine_is_json_for_discovery),
        fixture_test(every_picture_knows_verbs_in_lists_choices_and_any_state),
        fixture_test(mermaid_and_dot_quote_what_people_call_states),
        fixture_test(svg_escapes_what_people_call_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
