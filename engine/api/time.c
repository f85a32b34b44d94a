/* time.c: offsets and instants for apps in any language. Pure functions of the request,
 * answered on the HTTP thread. A value of the wrong JSON type is 400 and names the place; a value
 * that cannot be understood is 422 with the reason under `errors`, all fields together. Nothing is
 * coerced: "330", 330.5 and true are no offsets. */
#include "api/form.h"
#include "api/route.h"

#include "timezone/place.h"
#include "timezone/tz_cache.h"
#include "timezone/zone.h"

#include <stdio.h>

#define TEXT_MOST 200 /* bytes of a datetime or a name */

/* What a call asked for, and what is wrong with it. */
struct question {
    struct call *call;
    struct text datetime;     /* or `utc`; TEXT_NONE: not sent */
    int64_t offset;           /* INT64_MIN: not sent */
    struct text zone;         /* TEXT_NONE: not sent */
    struct text disambiguate; /* TEXT_NONE: not sent */
    struct place place;       /* what the offset or the zone says */
    enum tz_disambiguate way;
    const struct js *errors; /* {field: why}; NULL: none */
};

#define NO_OFFSET INT64_MIN

/* --- what is wrong --- */

static void wrong(struct question *question, const char *field, const char *why) {
    struct arena *arena = &question->call->exchange->arena;
    question->errors = js_with(arena, question->errors, text_of(field),
                               js_string(arena, text_copy(arena, text_of(why))));
}

static void answer_errors(const struct question *question) {
    struct http_exchange *exchange = question->call->exchange;
    const struct js_member *first = question->errors->object.members;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_VALIDATION_FAILED, "%.*s: %.*s", TEXT_ARGS(first->key),
              TEXT_ARGS(js_text(first->value)));
    call_fail(exchange, &fault,
              text_print(&exchange->arena, "\"errors\":%.*s",
                         TEXT_ARGS(js_print(&exchange->arena, question->errors))));
}

/* --- reading --- */

/* The name of the field with the datetime differs by call. */
static bool read_question(struct question *question, const char *field, const char *const *known,
                          struct fault *fault) {
    struct form form = {&question->call->exchange->arena, question->call->body, "", fault};
    return form_known(&form, known) && form_text(&form, field, TEXT_MOST, &question->datetime) &&
           form_integer(&form, "offset_minutes", NO_OFFSET + 1, INT64_MAX, &question->offset) &&
           form_text(&form, "zone", TEXT_MOST, &question->zone) &&
           form_text(&form, "disambiguate", TEXT_MOST, &question->disambiguate);
}

static void check_offset(struct question *question) {
    if (!zone_is_offset(question->offset)) {
        char why[96];
        snprintf(why, sizeof why, "must be whole minutes east of UTC, -720 to 840, not %lld",
                 (long long)question->offset);
        wrong(question, "offset_minutes", why);
        return;
    }
    question->place.offset_minutes = (int)question->offset;
}

static void check_zone(struct question *question) {
    struct fault fault = FAULT_INIT;
    if (!tz_cache_find(tz_cache_system(), question->zone, &question->place.zone, &fault)) {
        wrong(question, "zone", fault.message);
    }
}

static void check_place(struct question *question) {
    bool sent = question->offset != NO_OFFSET;
    if (text_given(question->zone)) {
        check_zone(question);
    } else if (!sent) {
        wrong(question, "offset_minutes",
              "is required, unless there is a zone: whole minutes east of UTC, -720 to 840");
    }
    if (sent) {
        check_offset(question);
    }
    if (sent && text_given(question->zone)) {
        wrong(question, "offset_minutes", "must not be there when zone is: send one of the two");
    }
}

static void check_disambiguate(struct question *question) {
    static const char *const choices[] = TZ_DISAMBIGUATE_NAMES;
    bool known = !text_given(question->disambiguate);
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        if (text_equal(question->disambiguate, text_of(choices[i]))) {
            question->way = (enum tz_disambiguate)i;
            known = true;
        }
    }
    if (!known) {
        struct text shown = question->disambiguate;
        shown.length = shown.length < 40 ? shown.length : 40;
        struct fault fault;
        fault_set(&fault, FAULT_VALIDATION_FAILED,
                  "must be compatible, earlier, later or reject, not \"%.*s\"", TEXT_ARGS(shown));
        wrong(question, "disambiguate", fault.message);
    }
}

static bool has_datetime(struct question *question, const char *field) {
    if (!text_given(question->datetime)) {
        wrong(question, field, "is required");
    }
    return text_given(question->datetime);
}

/* An RFC 3339 datetime with its offset. */
static void check_instant(struct question *question, const char *field, int64_t *instant_us,
                          int *offset) {
    struct fault fault = FAULT_INIT;
    if (has_datetime(question, field) &&
        !instant_parse(question->datetime, instant_us, offset, &fault)) {
        wrong(question, field, fault.message);
    }
}

static void check_local(struct question *question, struct civil *civil) {
    struct fault fault = FAULT_INIT;
    if (has_datetime(question, "datetime") &&
        !instant_parse_local(question->datetime, civil, &fault)) {
        wrong(question, "datetime", fault.message);
    }
}

/* --- answering --- */

struct reply {
    struct text field, datetime;
    int64_t offset_minutes;
    struct text zone, abbreviation; /* TEXT_NONE: left out */
};

static void put_given(struct js_writer *writer, struct text key, struct text value) {
    if (text_given(value)) {
        js_key(writer, key);
        js_put_text(writer, value);
    }
}

static void answer(struct call *call, const struct reply *reply) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    put_given(&writer, reply->field, reply->datetime);
    js_key(&writer, TEXT("offset_minutes"));
    js_put_integer(&writer, reply->offset_minutes);
    put_given(&writer, TEXT("zone"), reply->zone);
    put_given(&writer, TEXT("abbreviation"), reply->abbreviation);
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

static void normalize(struct question *question, const struct civil *civil) {
    char printed[INSTANT_TEXT];
    struct fault fault = FAULT_INIT;
    int64_t instant_us = 0;
    if (question->errors == NULL && !place_instant(question->place, instant_of_civil(civil, 0),
                                                   question->way, &instant_us, &fault)) {
        wrong(question, "datetime", fault.message);
    }
    if (question->errors != NULL) {
        answer_errors(question);
        return;
    }
    struct reply reply = {TEXT("utc"), instant_print(instant_us, printed),
                          place_minutes(question->place, instant_us), TEXT_NONE, TEXT_NONE};
    answer(question->call, &reply);
}

void api_time_normalize(struct call *call) {
    static const char *const known[] = {"datetime", "offset_minutes", "zone", "disambiguate", NULL};
    struct question question = {.call = call, .offset = NO_OFFSET};
    struct fault fault = FAULT_INIT;
    struct civil civil = {0};
    if (!read_question(&question, "datetime", known, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    check_local(&question, &civil);
    check_place(&question);
    check_disambiguate(&question);
    normalize(&question, &civil);
}

static void denormalize(struct question *question, int64_t instant_us) {
    char printed[INSTANT_TEXT];
    struct place place = question->place;
    if (question->errors == NULL && !place_shows(place, instant_us)) {
        wrong(question, "utc", "is there outside of the years 0000 to 9999");
    }
    if (question->errors != NULL) {
        answer_errors(question);
        return;
    }
    struct reply reply = {TEXT("datetime"), place_print(place, instant_us, printed),
                          place_minutes(place, instant_us), question->zone, TEXT_NONE};
    if (place.zone != NULL) {
        reply.abbreviation = text_of(tz_at(place.zone, instant_us)->abbreviation);
    }
    answer(question->call, &reply);
}

void api_time_denormalize(struct call *call) {
    static const char *const known[] = {"utc", "offset_minutes", "zone", NULL};
    struct question question = {.call = call, .offset = NO_OFFSET};
    struct fault fault = FAULT_INIT;
    int64_t instant_us = 0;
    int offset;
    if (!read_question(&question, "utc", known, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    check_instant(&question, "utc", &instant_us, &offset);
    check_place(&question);
    denormalize(&question, instant_us);
}

void api_time_parse(struct call *call) {
    static const char *const known[] = {"datetime", NULL};
    struct question question = {.call = call, .offset = NO_OFFSET};
    struct fault fault = FAULT_INIT;
    char printed[INSTANT_TEXT];
    int64_t instant_us = 0;
    int offset = 0;
    if (!read_question(&question, "datetime", known, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    check_instant(&question, "datetime", &instant_us, &offset);
    if (question.errors != NULL) {
        answer_errors(&question);
        return;
    }
    struct reply reply = {TEXT("utc"), instant_print(instant_us, printed), offset, TEXT_NONE,
                          TEXT_NONE};
    answer(call, &reply);
}

/* --- offsets --- */

/* Only the usual way to write an integer counts: "0330" and "-0" are none. */
static bool is_plain_integer(struct text text, int64_t *out) {
    char usual[24];
    if (!text_to_integer(text, out)) {
        return false;
    }
    int length = snprintf(usual, sizeof usual, "%lld", (long long)*out);
    return text_equal(text, (struct text){usual, (size_t)length});
}

static void put_offset(struct js_writer *writer, bool is_integer, int64_t minutes) {
    char name[32], utc[16];
    bool valid = is_integer && zone_is_offset(minutes);
    js_open(writer, '{');
    js_key(writer, TEXT("offset_minutes"));
    js_put(writer, is_integer ? js_integer(writer->buffer->arena, minutes) : NULL);
    js_key(writer, TEXT("offset_hours"));
    js_put(writer, valid ? js_real(writer->buffer->arena, (double)minutes / 60.0) : NULL);
    js_key(writer, TEXT("name"));
    js_put_text(writer, valid ? zone_offset_name(minutes, name) : TEXT("Invalid"));
    js_key(writer, TEXT("is_valid"));
    js_put_bool(writer, valid);
    js_key(writer, TEXT("utc_offset_string"));
    js_put_text(writer, valid ? zone_offset_string(minutes, utc) : TEXT("Invalid"));
    js_close(writer, '}');
}

void api_time_offset(struct call *call) {
    struct buffer buffer;
    struct js_writer writer;
    int64_t minutes = 0;
    bool is_integer = is_plain_integer(call->parameters[0], &minutes);
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    put_offset(&writer, is_integer, minutes);
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

static bool has_own_name(int64_t minutes) {
    char name[32];
    struct text text = zone_offset_name(minutes, name);
    return !text_starts(text, TEXT("UTC+")) && !text_starts(text, TEXT("UTC-"));
}

static void put_zones(struct js_writer *writer) {
    size_t count;
    const struct text *names = tz_cache_names(tz_cache_system(), &count);
    js_open(writer, '[');
    for (size_t i = 0; i < count; i++) {
        js_put_text(writer, names[i]);
    }
    js_close(writer, ']');
}

/* The zones, and the offsets that have a name of their own. */
void api_time_zones(struct call *call) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("zones"));
    put_zones(&writer);
    js_key(&writer, TEXT("offsets"));
    js_open(&writer, '[');
    for (int64_t minutes = ZONE_OFFSET_LEAST; minutes <= ZONE_OFFSET_MOST; minutes++) {
        if (has_own_name(minutes)) {
            put_offset(&writer, true, minutes);
        }
    }
    js_close(&writer, ']');
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}
