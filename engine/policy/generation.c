/* generation.c: building everything, in this order:
 *   1. folder_read       all files into memory; the name is the hash of them
 *   2. the first VM      libraries, then files; declarations are collected
 *   3. checks            every declaration, machines first; then what spans files: names, roles
 *   4. the other VMs     run the same files
 *   5. bind              each VM's functions get their places
 * Problems are gathered through 1 to 3, so that one load shows them all; a generation with a
 * problem is freed. Policies are pure, so a later VM that fails where the first did not is a fault
 * of its own. */
#include "policy/generation.h"

#include "base/digest.h"
#include "base/map.h"
#include "policy/context.h"
#include "policy/declare/permission.h"
#include "policy/declare/reads.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#define KEPT_PART            4 /* of a call's memory may be kept between calls */
#define DEVELOPMENT_HASH_KEY TEXT("statute development key")

struct build {
    struct generation *generation;
    const struct generation_options *options;
    struct problem_list *problems;
    size_t problems_before; /* of other loads, in the same list */
    size_t parts_left;      /* see check.h */
    size_t scan_left;       /* see reads.h */
    bool has_pii;
};

/* --- names --- */

/* Canonical JSON {path: text}: what is kept as the source of a record's rules, and what is hashed.
 */
static void name_it(struct generation *generation) {
    struct arena *arena = &generation->arena;
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, generation->file_count);
    unsigned char digest[DIGEST_BYTES];
    char *hex = arena_alloc(arena, DIGEST_HEX);
    for (size_t i = 0; i < generation->file_count; i++) {
        members[i].key = generation->files[i].path;
        members[i].value = js_string(arena, generation->files[i].text);
    }
    generation->files_json = js_print(arena, js_object(arena, members, generation->file_count));
    digest_sha256(generation->files_json, digest);
    digest_hex(digest, sizeof digest, hex);
    generation->name = (struct text){hex, DIGEST_HEX};
}

/* --- checks --- */

struct checking {
    struct build *build;
    const struct declaration *declaration;
    struct check check;
    const struct text *machine_names; /* of all files */
    size_t machine_name_count;
};

/* stack: [-0, +0]. The declaration's table is on top. */
static void check_declaration(struct checking *checking) {
    struct generation *generation = checking->build->generation;
    struct check *check = &checking->check;
    switch (checking->declaration->kind) {
    case DECLARATION_MACHINE:
        declare_check_machine(check, &generation->machines[generation->machine_count++]);
        return;
    case DECLARATION_ROLES:
        declare_check_roles(check, &generation->roles);
        return;
    case DECLARATION_PII:
        checking->build->has_pii = true;
        declare_check_pii(check, checking->machine_names, checking->machine_name_count,
                          &generation->pii);
        return;
    case DECLARATION_ACCESS:
        declare_check_access(check, &generation->access);
        return;
    case DECLARATION_DIRECTORY:
        declare_check_directory(check, &generation->access);
        return;
    case DECLARATION_WEBHOOKS:
        declare_check_webhooks(check, checking->machine_names, checking->machine_name_count,
                               &generation->webhooks);
        return;
    }
}

static int check_protected(lua_State *lua) {
    struct checking *checking = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, checking->declaration->table); // stack: checking table
    checking->check.lua = lua;
    check_declaration(checking);
    return 0;
}

static void check_one(struct checking *checking, const struct declaration *declaration,
                      struct lines *lines) {
    struct build *build = checking->build;
    struct seat *seat = &build->generation->seats[0];
    struct fault fault = FAULT_INIT;
    checking->declaration = declaration;
    checking->check = (struct check){
        .arena = &build->generation->arena,
        .problems = build->problems,
        .lines = lines,
        .file = declaration->file->path,
        .constructor = text_of(declaration_name(declaration->kind)),
        .name = declaration->name,
        .line = declaration->line,
        .parts_left = &build->parts_left,
        .files = build->generation->files,
        .file_count = build->generation->file_count,
        .scan_left = &build->scan_left,
    };
    lua_pushcfunction(vm_lua(seat->vm), check_protected); // stack: function
    lua_pushlightuserdata(vm_lua(seat->vm), checking);    // stack: function checking
    if (!vm_call(seat->vm, 1, 0, &fault)) {               // stack:
        problem_add(build->problems, declaration->file->path, declaration->line,
                    text_of(fault.message));
    }
}

/* Checks in the order of the files; the tokens of a file are kept for all its declarations. */
static void check_all(struct build *build) {
    struct generation *generation = build->generation;
    const struct loader *loader = &generation->seats[0].loader;
    struct text *names =
        ARENA_ARRAY(build->problems->arena, struct text, loader->declaration_count);
    struct checking checking = {.build = build, .machine_names = names};
    struct lines lines = {0};
    for (size_t i = 0; i < loader->declaration_count; i++) {
        if (loader->declarations[i].kind == DECLARATION_MACHINE) {
            names[checking.machine_name_count++] = loader->declarations[i].name;
        }
    }
    generation->machines =
        ARENA_ARRAY(&generation->arena, struct machine, checking.machine_name_count);
    for (size_t i = 0; i < loader->declaration_count; i++) {
        const struct declaration *declaration = &loader->declarations[i];
        if (declaration->file->text.bytes != lines.text.bytes) {
            lines_init(&lines, build->problems->arena, declaration->file->text);
        }
        check_one(&checking, declaration, &lines);
    }
}

static int by_name(const void *a, const void *b) {
    const struct machine *left = a, *right = b;
    int order = text_compare(left->name, right->name);
    order = order != 0 ? order : text_compare(left->file, right->file);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static void report_doubled(struct problem_list *problems, const struct machine *first,
                           const struct machine *second) {
    problem_add(problems, second->file, second->line,
                text_print(problems->arena, "machine '%.*s' is declared twice: here and at %.*s:%d",
                           TEXT_ARGS(second->name), TEXT_ARGS(first->file), first->line));
}

static void report_name(struct problem_list *problems, const struct machine *machine,
                        const char *why) {
    problem_add(problems, machine->file, machine->line,
                text_print(problems->arena, "machine '%.*s': renamed_from: '%.*s' %s",
                           TEXT_ARGS(machine->name), TEXT_ARGS(machine->renamed_from), why));
}

static void check_former_names(struct build *build) {
    const struct generation *generation = build->generation;
    for (size_t i = 0; i < generation->machine_count; i++) {
        const struct machine *machine = &generation->machines[i];
        if (!text_given(machine->renamed_from)) {
            continue;
        }
        if (generation_machine(generation, machine->renamed_from) != NULL) {
            report_name(build->problems, machine,
                        "is still declared; rename it or keep it, not both");
        } else if (generation_machine_once(generation, machine->renamed_from) != machine) {
            report_name(build->problems, machine,
                        "was also renamed to another machine; choose one of the two");
        }
    }
}

static void sort_machines(struct build *build) {
    struct generation *generation = build->generation;
    if (generation->machine_count > 1) {
        qsort(generation->machines, generation->machine_count, sizeof *generation->machines,
              by_name);
    }
    for (size_t i = 1; i < generation->machine_count; i++) {
        const struct machine *first = &generation->machines[i - 1], *second = first + 1;
        if (text_equal(first->name, second->name)) {
            report_doubled(build->problems, first, second);
        }
    }
}

/* --- VMs --- */

static void open_seat(const struct generation *generation, struct seat *seat, struct arena *arena,
                      struct problem_list *problems) {
    seat->vm = vm_new(&generation->limits, generation->now);
    seat->loader = (struct loader){
        .vm = seat->vm,
        .arena = arena,
        .files = generation->files,
        .file_count = generation->file_count,
        .problems = problems,
    };
    declare_open(&seat->loader);
    declare_open_any(seat->vm);
    context_open(seat);
}

static void run_files(struct seat *seat) {
    struct loader *loader = &seat->loader;
    declare_libraries(loader);
    for (size_t i = 0; i < loader->file_count; i++) {
        if (!loader->files[i].is_library) {
            declare_file(loader, &loader->files[i]);
        }
    }
    loader->current = NULL;
}

struct binding {
    const struct generation *generation;
    struct arena *arena;
    struct seat *seat;
    struct machine_functions *functions;
    struct map declarations; /* name -> struct declaration of a machine, of this VM */
    struct map accesses;     /* likewise, of an access */
    struct access_functions *access_functions;
    size_t index;
};

static void map_declarations(struct binding *binding, struct arena *scratch) {
    const struct loader *loader = &binding->seat->loader;
    map_init(&binding->declarations, scratch);
    map_init(&binding->accesses, scratch);
    for (size_t i = 0; i < loader->declaration_count; i++) {
        struct declaration *declaration = &loader->declarations[i];
        if (declaration->kind == DECLARATION_MACHINE) {
            map_set(&binding->declarations, declaration->name, declaration);
        } else if (declaration->kind == DECLARATION_ACCESS) {
            map_set(&binding->accesses, declaration->name, declaration);
        }
    }
}

static int bind_protected(lua_State *lua) {
    struct binding *binding = lua_touserdata(lua, 1);
    const struct machine *machine = &binding->generation->machines[binding->index];
    const struct declaration *declaration = map_find(&binding->declarations, machine->name);
    if (declaration == NULL) {
        return luaL_error(lua,
                          "the policies returned something different when they were loaded again");
    }
    lua_rawgeti(lua, LUA_REGISTRYINDEX, declaration->table); // stack: binding table
    bind_machine(lua, binding->arena, machine, 2, &binding->functions[binding->index]);
    luaL_unref(lua, LUA_REGISTRYINDEX, declaration->table);
    return 0;
}

static int bind_access_protected(lua_State *lua) {
    struct binding *binding = lua_touserdata(lua, 1);
    const struct access_type *type = &binding->generation->access.types[binding->index];
    const struct declaration *declaration = map_find(&binding->accesses, type->name);
    if (declaration == NULL) {
        return luaL_error(lua,
                          "the policies returned something different when they were loaded again");
    }
    lua_rawgeti(lua, LUA_REGISTRYINDEX, declaration->table); // stack: binding table
    bind_access(lua, binding->arena, type, 2, &binding->access_functions[binding->index]);
    luaL_unref(lua, LUA_REGISTRYINDEX, declaration->table);
    return 0;
}

static void bind_accesses(struct binding *binding, struct problem_list *problems) {
    const struct access_rules *rules = &binding->generation->access;
    lua_State *lua = vm_lua(binding->seat->vm);
    for (binding->index = 0; binding->index < rules->type_count; binding->index++) {
        const struct access_type *type = &rules->types[binding->index];
        struct fault fault = FAULT_INIT;
        lua_pushcfunction(lua, bind_access_protected);   // stack: function
        lua_pushlightuserdata(lua, binding);             // stack: function binding
        if (!vm_call(binding->seat->vm, 1, 0, &fault)) { // stack:
            problem_add(problems, type->file, type->line, text_of(fault.message));
        }
    }
}

static void bind_all(struct binding *binding, struct problem_list *problems) {
    const struct generation *generation = binding->generation;
    lua_State *lua = vm_lua(binding->seat->vm);
    for (; binding->index < generation->machine_count; binding->index++) {
        const struct machine *machine = &generation->machines[binding->index];
        struct fault fault = FAULT_INIT;
        lua_pushcfunction(lua, bind_protected);          // stack: function
        lua_pushlightuserdata(lua, binding);             // stack: function binding
        if (!vm_call(binding->seat->vm, 1, 0, &fault)) { // stack:
            problem_add(problems, machine->file, machine->line, text_of(fault.message));
        }
    }
}

/* The functions get their places. The loader stays for `require`, without the list of problems. */
static void bind_seat(const struct generation *generation, struct seat *seat) {
    struct problem_list *problems = seat->loader.problems;
    struct arena *arena = seat->loader.arena;
    struct binding binding = {.generation = generation, .arena = arena, .seat = seat};
    binding.functions = ARENA_ARRAY(arena, struct machine_functions, generation->machine_count);
    seat->machines = binding.functions;
    binding.access_functions =
        ARENA_ARRAY(arena, struct access_functions, generation->access.type_count);
    seat->accesses = binding.access_functions;
    map_declarations(&binding, problems->arena);
    bind_all(&binding, problems);
    bind_accesses(&binding, problems);
    seat->loader.problems = NULL;
    lua_gc(vm_lua(seat->vm), LUA_GCCOLLECT);
    seat->fresh_bytes = vm_held_bytes(seat->vm);
}

/* Built in place: the VM knows the seat by its address. */
static bool rebuild(const struct generation *generation, struct seat *seat) {
    struct arena scratch;
    struct problem_list problems = {.arena = &scratch};
    arena_init(&scratch, 0);
    *seat = (struct seat){0};
    arena_init(&seat->arena, 0);
    open_seat(generation, seat, &seat->arena, &problems);
    run_files(seat);
    bind_seat(generation, seat);
    arena_deinit(&scratch);
    return problems.count == 0;
}

static void close_seat(struct seat *seat) {
    if (seat->vm != NULL) {
        vm_free(seat->vm);
    }
    arena_deinit(&seat->arena);
}

void generation_freshen(const struct generation *generation, struct seat *seat) {
    size_t most = seat->fresh_bytes + generation->limits.memory_bytes / KEPT_PART;
    if (vm_held_bytes(seat->vm) <= most) {
        return;
    }
    struct seat worn = *seat;
    if (rebuild(generation, seat)) {
        close_seat(&worn);
    } else {
        close_seat(seat);
        *seat = worn;
    }
}

/* --- the whole --- */

static struct generation *generation_new(const struct generation_options *options) {
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL) {
        fputs("statute: no memory for a generation of policies\n", stderr);
        abort();
    }
    arena_init(&generation->arena, 64 * 1024);
    atomic_init(&generation->references, 1);
    generation->limits = options->limits;
    generation->now = options->now;
    generation->loaded_us = now_wall_us(&options->now);
    pii_set_init(&generation->pii, &generation->arena);
    generation->pii.keyring =
        keyring_of_secret(&generation->arena,
                          options->hash_key.length > 0 ? options->hash_key : DEVELOPMENT_HASH_KEY);
    return generation;
}

static void prove(struct build *build) {
    struct generation *generation = build->generation;
    open_seat(generation, &generation->seats[0], &generation->arena, build->problems);
    run_files(&generation->seats[0]);
    check_all(build);
    sort_machines(build);
    check_former_names(build);
    access_rules_sort(&generation->access, build->problems);
    access_rules_check_subjects(&generation->access, build->problems);
    roles_expand(&generation->roles, &generation->arena, build->problems);
    if (!build->has_pii) {
        pii_use_defaults(&generation->pii);
    }
}

static void seat_everybody(struct build *build) {
    struct generation *generation = build->generation;
    for (unsigned i = 0; i < generation->seat_count; i++) {
        struct seat *seat = &generation->seats[i];
        if (i > 0) {
            open_seat(generation, seat, &generation->arena, build->problems);
            run_files(seat);
        }
        bind_seat(generation, seat);
    }
}

static void number_timers(struct generation *generation) {
    for (size_t i = 0; i < generation->machine_count; i++) {
        struct machine *machine = &generation->machines[i];
        machine->timer_rules = machine_timer_rules(machine, generation->name);
    }
}

/* What was emptied, or is half copied, is no new version of anything. */
static void refuse_empty(struct build *build) {
    const struct generation *generation = build->generation;
    if (build->options->refuse_empty && generation->machine_count == 0 &&
        generation->access.type_count == 0 && build->problems->count == build->problems_before) {
        problem_add(build->problems, TEXT("."), 0,
                    TEXT("no file here declares a machine: is the directory empty, or copied only "
                         "in part? --allow-empty accepts it anyway"));
    }
}

static void build_it(struct build *build) {
    struct generation *generation = build->generation;
    name_it(generation);
    if (build->options->found != NULL) {
        memcpy(build->options->found, generation->name.bytes, DIGEST_HEX);
    }
    generation->seat_count = build->options->vm_count > 0 ? build->options->vm_count : 1;
    generation->seats = ARENA_ARRAY(&generation->arena, struct seat, generation->seat_count);
    prove(build);
    refuse_empty(build);
    if (build->problems->count == build->problems_before) {
        number_timers(generation);
        seat_everybody(build);
    }
}

bool generation_load(const struct generation_options *options, struct generation **out,
                     struct problem_list *problems, struct fault *fault) {
    struct build build = {.generation = generation_new(options),
                          .options = options,
                          .problems = problems,
                          .problems_before = problems->count,
                          .parts_left = CHECK_PARTS_ALL_MOST,
                          .scan_left = READS_SCAN_MOST};
    struct policy_file *files;
    if (!folder_read(options->directory, &build.generation->arena, &files,
                     &build.generation->file_count, problems, fault)) {
        generation_unref(build.generation);
        return false;
    }
    build.generation->files = files;
    if (options->hash_keys.length > 0) {
        keyring_read(options->hash_keys, &build.generation->arena, &build.generation->pii.keyring,
                     problems);
    }
    build_it(&build);
    if (problems->count > build.problems_before) {
        problem_sort(problems);
        generation_unref(build.generation);
        return fault_set(fault, FAULT_POLICY_INVALID, "the policies have %zu problem%s",
                         problems->count, problems->count == 1 ? "" : "s");
    }
    *out = build.generation;
    return true;
}

struct generation *generation_ref(struct generation *generation) {
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    return generation;
}

void generation_unref(struct generation *generation) {
    if (atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < generation->seat_count; i++) {
        close_seat(&generation->seats[i]);
    }
    arena_deinit(&generation->arena);
    free(generation);
}

/* --- reading --- */

struct text generation_name(const struct generation *generation) {
    return generation->name;
}

int64_t generation_loaded_us(const struct generation *generation) {
    return generation->loaded_us;
}

struct text generation_files_json(const struct generation *generation) {
    return generation->files_json;
}

size_t generation_machine_count(const struct generation *generation) {
    return generation->machine_count;
}

const struct machine *generation_machine_at(const struct generation *generation, size_t index) {
    return index < generation->machine_count ? &generation->machines[index] : NULL;
}

const struct machine *generation_machine(const struct generation *generation, struct text name) {
    size_t low = 0, high = generation->machine_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(generation->machines[middle].name, name);
        if (order == 0) {
            return &generation->machines[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

const struct machine *generation_machine_once(const struct generation *generation,
                                              struct text name) {
    for (size_t i = 0; i < generation->machine_count; i++) {
        const struct machine *machine = &generation->machines[i];
        if (text_given(machine->renamed_from) && text_equal(machine->renamed_from, name)) {
            return machine;
        }
    }
    return NULL;
}

struct text generation_machine_hint(const struct generation *generation, struct arena *arena,
                                    struct text name) {
    struct text *names = ARENA_ARRAY(arena, struct text, generation->machine_count);
    for (size_t i = 0; i < generation->machine_count; i++) {
        names[i] = generation->machines[i].name;
    }
    return problem_hint(arena, name, names, generation->machine_count);
}

const struct js *generation_roles(const struct generation *generation, struct arena *arena) {
    return roles_json(&generation->roles, arena);
}

bool generation_same_keys(const struct generation *a, const struct generation *b) {
    return keyring_equal(&a->pii.keyring, &b->pii.keyring);
}

const struct js *generation_clean(const struct generation *generation, struct text machine,
                                  struct arena *arena, const struct js *value) {
    return pii_clean(&generation->pii, machine, arena, value, 0);
}

const struct js *generation_clean_as(const struct generation *generation, struct text machine,
                                     struct arena *arena, const struct js *value, unsigned how) {
    return pii_clean(&generation->pii, machine, arena, value, how);
}

struct text generation_clean_text(const struct generation *generation, struct text machine,
                                  struct arena *arena, struct text text) {
    return pii_clean_text(&generation->pii, machine, arena, text);
}

const struct js *generation_hashes(const struct generation *generation, struct text machine,
                                   struct arena *arena, const struct js *value) {
    return pii_hashes(&generation->pii, machine, arena, value);
}
