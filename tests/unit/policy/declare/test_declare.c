/* What a policy file may declare, and what is said of one that is wrong. */
#include "unit/policy/fixture.h"

/* --- the shape of a good file --- */

static const char work_order[] =
    "local function has_vendor(order) return order.vendor_id ~= nil, 'no vendor' end\n"
    "local function needs_comments(_, ctx) return ctx.comments ~= nil, 'Comments required' end\n"
    "local function tell_vendor() return { emit = { { type = 'told' } } } end\n"
    "return machine \"work_order\" {\n"
    "  doc     = \"A work order\",\n"
    "  initial = \"DRAFT\",\n"
    "  fields  = {\n"
    "    vendor_id = \"string\",\n"
    "    priority  = { type = \"string\", enum = { \"LOW\", \"NORMAL\" }, default = \"NORMAL\" },\n"
    "    ctzoffset = { type = \"integer\", min = -720, max = 840, required = true },\n"
    "  },\n"
    "  states = {\n"
    "    DRAFT     = { to = { SUBMITTED = true, CANCELLED = { permit = \"w.cancel\" } } },\n"
    "    SUBMITTED = { to = { APPROVED = { permit = { \"w.a\", \"w.b\" }, name = \"approve\" }, "
    "DRAFT = true } },\n"
    "    APPROVED  = { require = has_vendor, on_enter = tell_vendor, to = { IN_PROGRESS = true },\n"
    "                  after = { delay = \"30d\", to = \"CANCELLED\", comments = \"Approval "
    "lapsed\" } },\n"
    "    IN_PROGRESS = { final = true },\n"
    "    CANCELLED = { final = true, require = { needs_comments, has_vendor } },\n"
    "  },\n"
    "}\n";

static void the_machine_of_the_contract_loads(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "work_order.lua", work_order);
    fixture_load(fixture);
    const struct machine *machine = fixture_machine(fixture, "work_order");
    check_text(machine->doc, "A work order");
    check_text(machine->file, "work_order.lua");
    assert_int_equal(machine->line, 4);
    check_text(machine->states[machine->initial].name, "DRAFT");
    assert_int_equal(machine->state_count, 5);
    assert_int_equal(machine->field_count, 3);
    assert_int_equal(machine->lock_timeout_ms, 10000);
    assert_int_equal(machine->lock_wait_ms, 5000);
    assert_int_equal(machine->retries, 3);
    assert_int_equal(machine->isolation, ISOLATION_READ_COMMITTED);
}

static void ways_and_timers_are_described(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "work_order.lua", work_order);
    fixture_load(fixture);
    const struct machine *machine = fixture_machine(fixture, "work_order");
    const struct state *submitted = machine_state(machine, TEXT("SUBMITTED"));
    const struct way *approve = machine_way(submitted, TEXT_NONE, TEXT("approve"));
    check_text(approve->to, "APPROVED");
    check_text(machine->states[approve->to_index].name, "APPROVED");
    assert_int_equal(approve->permission.name_count, 2);
    assert_ptr_equal(machine_way(submitted, TEXT("APPROVED"), TEXT_NONE), approve);
    assert_null(machine_way(submitted, TEXT("CANCELLED"), TEXT_NONE));
    assert_null(machine_way(submitted, TEXT_NONE, TEXT_NONE));
    const struct state *approved = machine_state(machine, TEXT("APPROVED"));
    assert_true(approved->has_require && approved->has_on_enter && !approved->has_on_exit);
    assert_int_equal(approved->timer_count, 1);
    check_text(approved->timer_to[0], "CANCELLED");
    assert_int_equal(approved->timers[0].delay_us, INT64_C(30) * 86400 * NOW_SECOND);
    check_text(approved->timers[0].reason, "system_auto");
}

static void a_state_is_called_what_people_call_it(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture, "return machine 'm' { initial = 'Awaiting User Info', states = {\n"
                 "  ['Awaiting User Info'] = { to = { ['3 \"étoiles\"'] = { name = 'rate' } },\n"
                 "                             after = { delay = '1d', to = '3 \"étoiles\"' } },\n"
                 "  ['3 \"étoiles\"'] = { final = true } } }\n");
    const struct machine *machine = fixture_machine(fixture, "m");
    const struct state *awaiting = machine_state(machine, TEXT("Awaiting User Info"));
    check_text(machine->states[machine->initial].name, "Awaiting User Info");
    check_text(machine_way(awaiting, TEXT_NONE, TEXT("rate"))->to, "3 \"étoiles\"");
    check_text(awaiting->timer_to[0], "3 \"étoiles\"");
}

static void a_file_may_return_a_list(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return { machine 'b' { initial = 'X', states = { X = {} } },\n"
                                 "         machine 'a' { initial = 'X', states = { X = {} } },\n"
                                 "         roles { admin = { '*' } }, pii { drop = { 'x' } } }\n");
    assert_int_equal(generation_machine_count(fixture->generation), 2);
    check_text(generation_machine_at(fixture->generation, 0)->name, "a");
    check_text(generation_machine_at(fixture->generation, 1)->name, "b");
    assert_null(generation_machine_at(fixture->generation, 2));
    assert_null(generation_machine(fixture->generation, TEXT("c")));
}

static void access_and_webhooks_are_accepted(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        "return { machine 'task' { initial = 'X', states = { X = {} } },\n"
        "  access 'record' { actions = { read = 'record.read', write = function() return true end "
        "} },\n"
        "  webhooks { { url = 'https://x.example/', machines = { 'task' }, events = { 'a' },\n"
        "               secret = 'S', when = function() return true end } } }\n");
}

/* --- refusals: one case a line of the table --- */

struct wrong {
    const char *source;
    int line;
    const char *message; /* a part of it */
};

#define MACHINE(body) "return machine 'm' {\n" body "}\n"
#define STATES(body)  MACHINE("initial = 'A',\nstates = {\n" body "},\n")
#define FIELDS(body)  MACHINE("initial = 'A',\nstates = { A = {} },\nfields = {\n" body "},\n")

static void check_wrong(struct fixture *fixture, const struct wrong *wrong) {
    fixture->problems.count = 0;
    fixture_write(fixture, "test.lua", wrong->source);
    if (fixture_try(fixture)) {
        fail_msg("this loads: %s", wrong->source);
    }
    assert_int_equal(fixture->fault.code, FAULT_POLICY_INVALID);
    for (size_t i = 0; i < fixture->problems.count; i++) {
        const struct problem *problem = &fixture->problems.items[i];
        check_text(problem->file, "test.lua");
        if (problem->line == wrong->line &&
            strstr(text_cstring(&fixture->arena, problem->message), wrong->message) != NULL) {
            return;
        }
        print_error("test.lua:%d: %.*s\n", problem->line, TEXT_ARGS(problem->message));
    }
    fail_msg("nothing says at line %d \"%s\" of:\n%s", wrong->line, wrong->message, wrong->source);
}

static void check_all(void **state, const struct wrong *wrongs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        check_wrong(*state, &wrongs[i]);
    }
}

static void wrong_keys_of_a_machine_are_named(void **state) {
    static const struct wrong wrongs[] = {
        {MACHINE("initial = 'A',\nstats = {},\nstates = { A = {} },\n"), 3,
         "machine 'm': stats: this key is unknown; did you mean 'states'?"},
        {MACHINE("initial = 'A',\nstates = { A = {} },\nzzzzzz = 1,\n"), 4,
         "zzzzzz: this key is unknown; the keys here are doc, initial, fields"},
        {MACHINE("states = { A = {} },\n"), 1, "machine 'm': 'initial' is missing"},
        {MACHINE("initial = 'A',\n"), 1, "machine 'm': 'states' is missing"},
        {MACHINE("initial = 'A', states = {},\n"), 2, "states: a machine has at least one state"},
        {MACHINE("initial = 'DRAFTT',\nstates = { DRAFT = {} },\n"), 2,
         "initial: there is no state 'DRAFTT'; did you mean 'DRAFT'?"},
        {MACHINE("initial = 7,\nstates = { A = {} },\n"), 2,
         "initial: it must be the name of a state, but it is an integer"},
        {MACHINE("initial = 'A',\ndoc = {},\nstates = { A = {} },\n"), 3,
         "doc: it must be a string, but it is a table"},
        {MACHINE("initial = 'A',\nstrict = 'yes',\nstates = { A = {} },\n"), 3,
         "strict: it must be true or false, but it is a string"},
        {MACHINE("initial = 'A',\nprepare = 'f',\nstates = { A = {} },\n"), 3,
         "prepare: it must be a function (data, ctx) -> data"},
        {MACHINE("initial = 'A',\nvalidate = {},\nstates = { A = {} },\n"), 3,
         "validate: it must be a function"},
        {MACHINE("initial = 'A',\nisolation = 'serialisable',\nstates = { A = {} },\n"), 3,
         "'serializable'; did you mean 'serializable'?"},
        {MACHINE("initial = 'A',\nlock = { timeout = '10 parsecs' },\nstates = { A = {} },\n"), 3,
         "lock.timeout: '10 parsecs' is not a duration"},
        {MACHINE("initial = 'A',\nlock = {\n timeuot = '1s' },\nstates = { A = {} },\n"), 4,
         "lock.timeuot: this key is unknown; did you mean 'timeout'?"},
        {MACHINE("initial = 'A',\nlock = { wait = '-1s' },\nstates = { A = {} },\n"), 3,
         "lock.wait: it must be between '0ms' and '24h'"},
        {MACHINE("initial = 'A',\nlock = { timeout = '0s' },\nstates = { A = {} },\n"), 3,
         "lock.timeout: it must be between '1ms' and '24h'"},
        {MACHINE("initial = 'A',\nretries = 1.5,\nstates = { A = {} },\n"), 3,
         "retries: it must be an integer, but it is a number"},
        {MACHINE("initial = 'A',\nretries = -1,\nstates = { A = {} },\n"), 3,
         "retries: it must be between 0 and 100"},
        {MACHINE("initial = 'A',\nretries = 101,\nstates = { A = {} },\n"), 3,
         "retries: it must be between 0 and 100"},
        {MACHINE("'x', initial = 'A', states = { A = {} },\n"), 1, "without list items"},
        {"return machine 'a b' { initial = 'A', states = { A = {} } }", 1,
         "a name begins with a letter"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void wrong_states_are_named(void **state) {
    static const struct wrong wrongs[] = {
        {STATES("A = { too = {} },\n"), 4, "states.A.too: this key is unknown; did you mean 'to'?"},
        {STATES("A = { to = { SUBMITED = true } },\nSUBMITTED = {},\n"), 4,
         "states.A.to.SUBMITED: there is no state 'SUBMITED'; did you mean 'SUBMITTED'?"},
        {STATES("A = {\n to = {\n  B = 1 } },\nB = {},\n"), 6,
         "states.A.to.B: it must be true or a table"},
        {STATES("A = {\n to = {\n  B = false } },\nB = {},\n"), 6,
         "states.A.to.B: it must be true"},
        {STATES("A = { to = { 'B' } },\nB = {},\n"), 4,
         "states.A.to: it must be a table of STATE = true"},
        {STATES("A = 1,\n"), 4, "states.A: it must be a table such as"},
        {STATES("A = { final = 1 },\n"), 4, "states.A.final: it must be true or false"},
        {STATES("A = {},\nB = { final = true,\n to = { A = true } },\n"), 6,
         "states.B.to: a final state has no transitions"},
        {STATES("A = {},\nB = { final = true,\n after = { delay = '1s', to = 'A' } },\n"), 6,
         "states.B.after: a final state has no timer"},
        {STATES("A = { require = 'x' },\n"), 4, "states.A.require: it must be a function"},
        {STATES("A = { require = { 'x' } },\n"), 4, "states.A.require: it must be a function"},
        {STATES("A = { require = {} },\n"), 4, "states.A.require: it must be a function"},
        {STATES("A = { on_enter = { set = {} } },\n"), 4,
         "states.A.on_enter: it must be a function"},
        {STATES("A = { on_leave = function() end },\n"), 4,
         "states.A.on_leave: this key is unknown"},
        {STATES("A = {},\n['b '] = {},\n"), 5, "states[\"b \"]: a state's name has 1 to 100 bytes"},
        {STATES("A = {},\n[''] = {},\n"), 5, "states[\"\"]: a state's name has 1 to 100 bytes"},
        {STATES("A = {},\n['b\\tc'] = {},\n"), 3, "no control characters"},
        {STATES("A = {},\n[\"Awaiting User Info\"] = {\n too = {} },\n"), 6,
         "states[\"Awaiting User Info\"].too: this key is unknown"},
        {STATES("A = { to = {\n [ [[Awaiting User Inf]] ] = true } },\n"
                "['Awaiting User Info'] = {},\n"),
         5,
         "states.A.to[\"Awaiting User Inf\"]: there is no state 'Awaiting User Inf'; did you mean "
         "'Awaiting User Info'?"},
        {MACHINE("initial = 'A',\nstates = { 'A' },\n"), 3, "states: it must be a table of STATE"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void wrong_ways_are_named(void **state) {
    static const struct wrong wrongs[] = {
        {STATES("A = { to = { B = {\n permitt = 'x' } } },\nB = {},\n"), 5,
         "states.A.to.B.permitt: this key is unknown; did you mean 'permit'?"},
        {STATES("A = { to = { B = { permit = 5 } } },\nB = {},\n"), 4,
         "permit: it must be a permission, a list of permissions, any { ... }, or a function"},
        {STATES("A = { to = { B = { permit = {} } } },\nB = {},\n"), 4,
         "permit: the list is empty"},
        {STATES("A = { to = { B = { permit = { 'a', 7 } } } },\nB = {},\n"), 4,
         "permit[2]: it must be a permission, a list of permissions, any { ... }"},
        {STATES("A = { to = { B = { permit = { a = true } } } },\nB = {},\n"), 4,
         "permit: it must be a list of permissions"},
        {STATES("A = { to = { B = { permit = 'a.*' } } },\nB = {},\n"), 4,
         "permit: 'a.*': name the permission in full"},
        {STATES("A = { to = { B = { permit = 'a b' } } },\nB = {},\n"), 4, "is not a permission"},
        {STATES("A = { to = { B = { guard = 'x' } } },\nB = {},\n"), 4,
         "guard: it must be a function (data, ctx) -> ok, message, or a list"},
        {STATES("A = { to = { B = { effect = {} } } },\nB = {},\n"), 4,
         "effect: it must be a function"},
        {STATES("A = { to = { B = { name = 'go on' } } },\nB = {},\n"), 4, "'go on' is not a verb"},
        {STATES(
             "A = { to = { B = { name = 'go' },\n C = {\n name = 'go' } } },\nB = {}, C = {},\n"),
         6, "states.A.to.C.name: from 'A' the verb 'go' also leads to 'B'"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void wrong_timers_are_named(void **state) {
    static const struct wrong wrongs[] = {
        {STATES("A = { after = { delay = '1 fortnight', to = 'A' } },\n"), 4,
         "states.A.after.delay: '1 fortnight' is not a duration"},
        {STATES("A = { after = { delay = '1d', to = 'AA' } },\n"), 4,
         "states.A.after.to: there is no state 'AA'; did you mean 'A'?"},
        {STATES("A = { after = { delay = '1d' } },\n"), 4, "states.A.after: 'to' is missing"},
        {STATES("A = { after = { to = 'A' } },\n"), 4, "states.A.after: 'delay' is missing"},
        {STATES("A = { after = { delay = '-1d', to = 'A' } },\n"), 4, "before it is armed"},
        {STATES(
             "A = { after = {\n { delay = '1d', to = 'A' },\n { delay = '1d', too = 'A' } } },\n"),
         6, "states.A.after[2].too: this key is unknown"},
        {STATES("A = { after = { delay = '1d', to = 'A', reason = 'system' } },\n"), 4,
         "states.A.after.reason: there is no reason 'system'"},
        {STATES("A = { after = { 5 } },\n"), 4, "states.A.after[1]: it must be a timer"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void wrong_fields_are_named(void **state) {
    static const struct wrong wrongs[] = {
        {FIELDS("x = 'strng',\n"), 5, "fields.x: there is no type 'strng'; did you mean 'string'?"},
        {FIELDS("x = {\n type = 'int' },\n"), 6, "fields.x.type: there is no type 'int'"},
        {FIELDS("x = 5,\n"), 5, "fields.x: it must be field = 'type' or field = { type = 'type' }"},
        {FIELDS("x = { type = 'string', requird = true },\n"), 5,
         "fields.x.requird: this key is unknown; did you mean 'required'?"},
        {FIELDS("x = { type = 'string', enum = {} },\n"), 5, "fields.x.enum: it must be a list"},
        {FIELDS("x = { type = 'string', enum = { 'a', 5 } },\n"), 5,
         "fields.x.enum[2]: it must be a string, not an integer"},
        {FIELDS("x = { type = 'string', enum = { 'a' }, default = 'b' },\n"), 5,
         "fields.x.default: it must be one of a"},
        {FIELDS("x = { type = 'integer', default = 'b' },\n"), 5,
         "fields.x.default: it must be an integer, not a string"},
        {FIELDS("x = { type = 'integer', default = 5,\n max = 4 },\n"), 5,
         "fields.x.default: it must be at most 4"},
        {FIELDS("x = { type = 'integer', min = 5, max = 4 },\n"), 5, "min is greater than max"},
        {FIELDS("x = { type = 'boolean', min = 5 },\n"), 5, "fields.x.min: only integer, number"},
        {FIELDS("x = { type = 'integer', min = 'a' },\n"), 5, "fields.x.min: it must be a number"},
        {FIELDS("x = { type = 'any', default = function() end },\n"), 5, "fields.x.default: "},
        {FIELDS("x = { type = 'datetime', default = 'tomorrow' },\n"), 5,
         "fields.x.default: it must be an RFC 3339 date and time"},
        {FIELDS("'x',\n"), 4, "fields: it must be a table of field"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void wrong_roles_are_named(void **state) {
    static const struct wrong wrongs[] = {
        {"return roles {\n a = { inherits = 'bos' },\n boss = {} }", 2,
         "roles: a.inherits: there is no role 'bos'; did you mean 'boss'?"},
        {"return roles {\n a = { inherits = 'b' },\n b = { inherits = { 'a' } } }", 3,
         "roles: b.inherits: 'a' goes round in a circle"},
        {"return roles {\n a = { inherits = 'a' } }", 2, "'a' goes round in a circle"},
        {"return roles {\n a = { inherit = 'b' } }", 2,
         "a.inherit: this key is unknown; did you mean 'inherits'?"},
        {"return roles {\n a = 'x' }", 2, "roles: a: it must be a list of permissions"},
        {"return roles {\n a = { 5 } }", 2, "a[1]: it must be a string"},
        {"return roles {\n a = { 'x.*.y' } }", 2, "a '*' may stand alone or after a dot"},
        {"return roles {\n a = { 'x*' } }", 2, "a '*' may stand alone or after a dot"},
        {"return roles {\n a = { '' } }", 2, "'' is not a permission"},
        {"return roles { { 'x' } }", 1, "roles: it must be a table of role"},
        {"return { roles { a = {} },\n roles { a = {} } }", 2,
         "the role 'a' is declared twice: here and at test.lua:1"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void wrong_pii_is_named(void **state) {
    static const struct wrong wrongs[] = {
        {"return pii {\n dropp = { 'a' } }", 2,
         "pii: dropp: this key is unknown; did you mean 'drop'?"},
        {"return pii {\n drop = 'a' }", 2, "pii: drop: it must be a list of keys"},
        {"return pii {\n drop = { a = true } }", 2, "pii: drop: it must be a list of strings"},
        {"return pii {\n mask = { phone = 'last5' } }", 2,
         "pii: mask.phone: there is no mask 'last5'; did you mean 'last4'?"},
        {"return pii {\n mask = { phone = 4 } }", 2, "mask.phone: it must be 'last4' or 'domain'"},
        {"return pii {\n drop = { 'A' },\n hash = { 'a' } }", 3,
         "hash[1]: 'a' already has another treatment"},
        {"return pii {\n redact = { 'emial' } }", 2,
         "redact[1]: there is no pattern 'emial'; did you mean 'email'?"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void wrong_access_and_webhooks_are_named(void **state) {
    static const struct wrong wrongs[] = {
        {"return access 'r' { }", 1, "access 'r': 'actions' is missing"},
        {"return access 'r' {\n actions = { read = 5 } }", 2,
         "actions.read: it must be a permission"},
        {"return access 'r' {\n action = {} }", 2,
         "action: this key is unknown; did you mean 'actions'?"},
        {"return webhooks { { } }", 1, "webhooks: [1]: 'url' is missing"},
        {"return webhooks { url = 'https://x' }", 1, "it must be a list"},
        {"return webhooks {\n { url = 'ftp://x' } }", 2, "[1].url: it must begin with 'https://'"},
        {"return { machine 'task' { initial = 'X', states = { X = {} } },\n"
         "webhooks {\n { url = 'https://x',\n machines = { 'tsak' } } } }",
         4, "[1].machines[1]: there is no machine 'tsak'; did you mean 'task'?"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void wrong_calls_are_named(void **state) {
    static const struct wrong wrongs[] = {
        {"return machine { initial = 'A' }", 1, "machine begins with its name: machine \"name\""},
        {"\nreturn machine 'm' 'x'", 2, "machine 'm' must be followed by one table"},
        {"return machine('m', {})", 1, "machine begins with its name"},
        {"return machine 'm'", 1, "does a table follow after the name?"},
        {"\nmachine 'm' { initial = 'A', states = { A = {} } }", 2,
         "machine 'm' is declared here but not returned; is a 'return' missing?"},
        {"local x = machine 'm' { initial = 'A', states = { A = {} } }\nreturn { x, x }", 1,
         "returned twice"},
        {"return 5", 1,
         "a policy file returns a declaration or a list of declarations, but this one returns a "
         "number"},
        {"", 1,
         "a policy file returns a declaration or a list of declarations, but this one returns "
         "nothing"},
        {"return {}", 1, "not a list of declarations"},
        {"return { roles {}, 5 }", 1, "the list must hold declarations, but item 2 is a number"},
        {"return roles 'x'", 1, "roles takes one table"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void lua_errors_are_problems_with_their_line(void **state) {
    static const struct wrong wrongs[] = {
        {"return machine 'm' {\n initial = = 'A' }", 2, "unexpected symbol near '='"},
        {"\n\nlocal x = nil\nreturn x.y", 4, "attempt to index a nil value"},
        {"\nerror('no')", 2, "no"},
        {"\nerror({})", 0, "error object is a table"},
        {"\nwhile true do end", 2, "over budget"},
        {"\nmachin 'm' {}", 2, "machin"},
        {"\nx = 5", 2, "local"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void a_key_in_a_local_table_is_found(void **state) {
    static const struct wrong wrongs[] = {
        {"-- states = { A = {} }\nlocal states = {\n  --[[ A ]]\n  A = { to = { X = true } },\n"
         "  B = {}\n}\nreturn machine 'm' { initial = 'A', states = states }",
         4, "states.A.to.X: there is no state 'X'"},
        {"local s = [[ { ]]\nlocal f = function(a, b) if a then return { to = b, x } end end\n"
         "return machine 'm' {\n initial = 'A', prepare = function(d) local a, b = 1, 2 return d "
         "end,\n"
         " states = { ['A'] = {\n  to = {}, finall = true } } }",
         6, "states.A.finall"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

/* --- many files --- */

static void every_problem_of_every_file_is_reported_in_order(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "b.lua", STATES("A = { to = { B = true } },\nC = { finall = true },\n"));
    fixture_write(fixture, "a.lua", "return machine 'x' {");
    fixture_write(fixture, "c.lua", "return machine 'ok' { initial = 'A', states = { A = {} } }");
    fixture_write(fixture, "d/e.lua", "return machine 'y' { initial = 'B', states = { A = {} } }");
    assert_false(fixture_try(fixture));
    check_contains(fixture->fault.message, "4 problems");
    assert_int_equal(fixture->problems.count, 4);
    const struct problem *items = fixture->problems.items;
    check_text(items[0].file, "a.lua");
    check_text(items[1].file, "b.lua");
    assert_int_equal(items[1].line, 4);
    assert_int_equal(items[2].line, 5);
    check_text(items[3].file, "d/e.lua");
}

static void a_machine_in_two_files_names_both(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "a.lua", "\nreturn machine 'x' { initial = 'A', states = { A = {} } }");
    fixture_write(fixture, "b.lua", "return machine 'x' { initial = 'A', states = { A = {} } }");
    assert_false(fixture_try(fixture));
    assert_int_equal(fixture->problems.count, 1);
    check_text(fixture->problems.items[0].file, "b.lua");
    check_text(fixture->problems.items[0].message,
               "machine 'x' is declared twice: here and at a.lua:2");
}

static void a_number_of_problems_beyond_counting_is_cut(void **state) {
    struct fixture *fixture = *state;
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    buffer_add_text(&buffer, TEXT("return machine 'm' { initial = 'A', states = { A = { to = {\n"));
    for (int i = 0; i < 3000; i++) {
        buffer_print(&buffer, "X%d = true,\n", i);
    }
    buffer_add_text(&buffer, TEXT("} } } }"));
    fixture_write_bytes(fixture, "test.lua", buffer_view(&buffer));
    assert_false(fixture_try(fixture));
    assert_int_equal(fixture->problems.count, 1000);
}

/* --- require --- */

static void a_library_is_shared_and_loaded_once(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "lib/tools.lua",
                  "local inner = require 'lib.deep.inner'\n"
                  "return { initial = inner.initial, id = {} }");
    fixture_write(fixture, "lib/deep/inner.lua", "return { initial = 'A' }");
    fixture_write(fixture, "test.lua",
                  "local a, b = require 'lib.tools', require('lib.tools')\n"
                  "assert(a == b)\n"
                  "return machine 'm' { initial = a.initial, states = { A = {} } }");
    fixture_load(fixture);
}

static void a_library_that_returns_nothing_is_true(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "lib/x.lua", "local y = 1");
    fixture_load_source(fixture, "assert(require 'lib.x' == true)\nreturn roles {}");
}

static void an_unknown_library_is_named(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "lib/tools.lua", "return 1");
    static const struct wrong wrongs[] = {
        {"\nlocal x = require 'lib.tool'", 2,
         "require finds no 'lib/tool.lua' under a folder named lib/ in the policy directory; "
         "did you mean 'lib/tools.lua'?"},
        {"\nlocal x = require 'test'", 2, "require finds no 'test.lua'"},
        {"\nlocal x = require '..lib.tools'", 2, "require finds no '//lib/tools.lua'"},
        {"\nlocal x = require 'lib/../lib.tools'", 2, "require finds no"},
        {"\nlocal x = require(5)", 2, "require takes the name of a library"},
        {"\nlocal x = require('a', 'b')", 2, "require takes the name of a library"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

static void a_circle_of_libraries_is_named(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "lib/a.lua", "return require 'lib.b'");
    fixture_write(fixture, "lib/b.lua", "\nreturn require 'lib.a'");
    fixture_write(fixture, "test.lua", "\n\nlocal a = require 'lib.a'\nreturn roles {}");
    assert_false(fixture_try(fixture));
    check_text(fixture->problems.items[0].file, "lib/b.lua");
    assert_int_equal(fixture->problems.items[0].line, 2);
    check_text(fixture->problems.items[0].message,
               "'lib/a.lua' requires itself, directly or by others");
    const struct problem *last = &fixture->problems.items[fixture->problems.count - 1];
    check_text(last->file, "test.lua");
    assert_int_equal(last->line, 3);
    check_text(last->message, "the library 'lib/a.lua' could not be loaded");
}

static void a_broken_library_is_reported_even_if_nobody_requires_it(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "lib/a.lua", "return (");
    fixture_write(fixture, "lib/b.lua", "\nerror 'late'");
    fixture_write(fixture, "test.lua", "return roles {}");
    assert_false(fixture_try(fixture));
    assert_int_equal(fixture->problems.count, 2);
    check_text(fixture->problems.items[0].file, "lib/a.lua");
    check_text(fixture->problems.items[1].file, "lib/b.lua");
    assert_int_equal(fixture->problems.items[1].line, 2);
}

static void a_file_with_a_long_name_is_still_named(void **state) {
    struct fixture *fixture = *state;
    static const char path[] = "a_folder_with_a_very_long_name_indeed_so_that_lua_cuts_it/"
                               "and_a_file_with_a_very_long_name_too.lua";
    fixture_write(fixture, path, "\n\nreturn nil .. 1");
    assert_false(fixture_try(fixture));
    check_text(fixture->problems.items[0].file, path);
    assert_int_equal(fixture->problems.items[0].line, 3);
}

static void a_declaration_cannot_be_forged_or_opened(void **state) {
    static const struct wrong wrongs[] = {
        {"return { initial = 'A', states = { A = {} } }", 1, "not a list of declarations"},
        {"local m = machine 'm' { initial = 'A', states = { A = {} } }\nreturn m.states", 2,
         "index"},
    };
    check_all(state, wrongs, COUNT_OF(wrongs));
}

/* --- files that mean harm --- */

static void a_hostile_file_is_refused_in_time(void **state) {
    struct now now = now_system();
    static const struct wrong wrongs[] = {
        {"local to = {}\nfor i = 1, 900 do to['S' .. i] = true end\nlocal states = {}\n"
         "for i = 1, 900 do states['S' .. i] = { to = to } end\n"
         "return machine 'm' { initial = 'S1', states = states }",
         5, "this is too large: at most 20000 parts in one declaration"},
        {"local states = { A = {} }\nlocal list = {}\n"
         "for i = 1, 9000 do list[i] = machine('m' .. i) { initial = 'A', states = states } end\n"
         "for i = 1, 9000 do list[9000 + i] = list[1] end\nreturn list",
         3, "the same declaration is returned twice"},
        {"local f = {}\nfor i = 1, 100 do f[i] = function() return true end end\n"
         "local to = {}\nfor i = 1, 300 do to['S' .. i] = { guard = f } end\n"
         "local states = { A = { to = to } }\nfor i = 1, 300 do states['S' .. i] = {} end\n"
         "return machine 'm' { initial = 'A', states = states }",
         5, "this is too large"},
        {"local f = {}\nfor i = 1, 101 do f[i] = function() return true end end\n"
         "return machine 'm' { initial = 'A', states = { A = { require = f } } }",
         3, "or a list of up to 100 such functions"},
        {"local t = {}\nfor i = 1, 101 do t[i] = { delay = '1s', to = 'A' } end\n"
         "return machine 'm' { initial = 'A', states = { A = { after = t } } }",
         3, "there are more than 100 timers"},
        {"local s = {}\ns.A = s\ns.to = s\nreturn machine 'm' { initial = 'A', states = s }", 4,
         "states.A.A: this key is unknown"},
        {"local t = {}\nt.x = t\nreturn machine 'm' { initial = 'A', states = { A = {} },\n"
         "fields = { f = { default = t } } }",
         4, "fields.f.default: "},
        {"return machine 'm' { initial = 'A', states = { A = {} }, ['\\xff\\n'] = 1 }", 1,
         "machine 'm': ? : this key is unknown"},
        {"return machine '\\xff' { initial = 'A', states = { A = {} } }", 1, "machine '?'"},
        {"local p = {}\nfor i = 1, 10001 do p[i] = 'p' .. i end\nreturn roles { a = p }", 3,
         "roles: a: there are more than 10000 permissions"},
        {"local list = {}\nfor i = 1, 10001 do list[i] = roles {} end\nreturn list", 0,
         "there are more than 10,000 declarations"},
        {"local r = {}\nfor i = 1, 1001 do r['r' .. i] = {} end\nreturn roles(r)", 3,
         "there are more than 1000 roles"},
    };
    int64_t start_us = now_monotonic_us(&now);
    ((struct fixture *)*state)->limits.wall_us = 5 * NOW_SECOND;
    check_all(state, wrongs, COUNT_OF(wrongs));
    assert_true(now_monotonic_us(&now) - start_us < 60 * NOW_SECOND);
}

static void a_file_of_nothing_but_wrong_keys_is_read_in_time(void **state) {
    struct fixture *fixture = *state;
    struct now now = now_system();
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    buffer_add_text(&buffer, TEXT("return machine 'm' { initial = 'A', states = { A = {} },\n"));
    for (int i = 0; i < 30000; i++) {
        buffer_print(&buffer, "w%d = 1,\n", i);
    }
    buffer_add_text(&buffer, TEXT("}"));
    fixture_write_bytes(fixture, "test.lua", buffer_view(&buffer));
    fixture->limits.wall_us = 5 * NOW_SECOND;
    int64_t start_us = now_thread_us(&now);
    assert_false(fixture_try(fixture));
    assert_true(now_thread_us(&now) - start_us < 20 * NOW_SECOND);
    assert_int_equal(fixture->problems.count, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(the_machine_of_the_contract_loads),
        fixture_test(ways_and_timers_are_described),
        fixture_test(a_state_is_called_what_people_call_it),
        fixture_test(a_file_may_return_a_list),
        fixture_test(access_and_webhooks_are_accepted),
        fixture_test(wrong_keys_of_a_machine_are_named),
        fixture_test(wrong_states_are_named),
        fixture_test(wrong_ways_are_named),
        fixture_test(wrong_timers_are_named),
        fixture_test(wrong_fields_are_named),
        fixture_test(wrong_roles_are_named),
        fixture_test(wrong_pii_is_named),
        fixture_test(wrong_access_and_webhooks_are_named),
        fixture_test(wrong_calls_are_named),
        fixture_test(lua_errors_are_problems_with_their_line),
        fixture_test(a_key_in_a_local_table_is_found),
        fixture_test(every_problem_of_every_file_is_reported_in_order),
        fixture_test(a_machine_in_two_files_names_both),
        fixture_test(a_number_of_problems_beyond_counting_is_cut),
        fixture_test(a_library_is_shared_and_loaded_once),
        fixture_test(a_library_that_returns_nothing_is_true),
        fixture_test(an_unknown_library_is_named),
        fixture_test(a_circle_of_libraries_is_named),
        fixture_test(a_broken_library_is_reported_even_if_nobody_requires_it),
        fixture_test(a_file_with_a_long_name_is_still_named),
        fixture_test(a_declaration_cannot_be_forged_or_opened),
        fixture_test(a_hostile_file_is_refused_in_time),
        fixture_test(a_file_of_nothing_but_wrong_keys_is_read_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
