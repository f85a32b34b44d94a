/* How often a number is taken for a card that is none, and how often a card is missed: counted over
 * a corpus of each kind. Less than one in a thousand of either may be wrong. */
#include "unit/base/check.h"

#include <stdio.h>
#include <time.h>

#include "privacy/redact.h"

#define MANY       50000
#define PER_MILLE  1 /* that may be wrong */
#define DIGITS_ALL 19

static struct arena arena;
static uint64_t state_of_random;

static int make(void **state) {
    (void)state;
    arena_init(&arena, 0);
    state_of_random = UINT64_C(88172645463325252);
    return 0;
}

static int unmake(void **state) {
    (void)state;
    arena_deinit(&arena);
    return 0;
}

/* xorshift64: the same numbers in every run. */
static uint64_t next_random(uint64_t below) {
    state_of_random ^= state_of_random << 13;
    state_of_random ^= state_of_random >> 7;
    state_of_random ^= state_of_random << 17;
    return state_of_random % below;
}

static bool is_redacted(const char *text) {
    arena_reset(&arena);
    struct text found = redact(&arena, text_of(text), REDACT_CARD);
    return memmem(found.bytes, found.length, "[card]", 6) != NULL;
}

static void check_few(const char *what, unsigned wrong, unsigned all) {
    if ((uint64_t)wrong * 1000 > (uint64_t)all * PER_MILLE) {
        fail_msg("%s: %u of %u wrong", what, wrong, all);
    }
}

/* --- cards --- */

/* What the schemes and payment providers publish for tests. */
static const char *const published[] = {
    "4242424242424242", "4111111111111111", "4012888888881881", "4222222222222",
    "4917610000000000", "4000056655665556", "5555555555554444", "5105105105105100",
    "5200828282828210", "2223003122003222", "2221000000000009", "2720990000000007",
    "378282246310005",  "371449635398431",  "378734493671000",  "6011111111111117",
    "6011000990139424", "6011981111111113", "6445644564456445", "3056930009020004",
    "30569309025904",   "38520000023237",   "36227206271667",   "3530111333300000",
    "3566002020360505", "6200000000000005", "6200000000000047", "6205500000000000004",
    "6759649826438453", "2200000000000053", "6362970000457013", "6062826786276634",
};

static void published_cards_are_found(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        if (!is_redacted(published[i])) {
            fail_msg("missed: %s", published[i]);
        }
    }
}

struct scheme {
    const char *prefix;
    size_t length;
};
static const struct scheme schemes[] = {
    {"4", 16},    {"4", 13},    {"4", 19},    {"51", 16},   {"55", 16},   {"2221", 16},
    {"2720", 16}, {"34", 15},   {"37", 15},   {"300", 14},  {"36", 14},   {"38", 14},
    {"3528", 16}, {"3589", 16}, {"6011", 16}, {"644", 16},  {"65", 16},   {"62", 16},
    {"62", 19},   {"5018", 16}, {"6304", 18}, {"6759", 19}, {"2200", 16}, {"6521", 16},
    {"8171", 16}, {"9792", 16}, {"5067", 16}, {"6062", 16},
};

/* The last digit makes the sum of Luhn whole. */
static void finish_luhn(char *digits, size_t length) {
    int sum = 0;
    for (size_t i = 0; i + 1 < length; i++) {
        int digit = digits[length - 2 - i] - '0';
        int doubled = digit > 4 ? digit * 2 - 9 : digit * 2;
        sum += i % 2 == 0 ? doubled : digit;
    }
    digits[length - 1] = (char)('0' + (10 - sum % 10) % 10);
    digits[length] = '\0';
}

static void make_digits(const char *prefix, size_t length, char out[DIGITS_ALL + 1]) {
    size_t count = strlen(prefix);
    memcpy(out, prefix, count);
    for (; count < length; count++) {
        out[count] = (char)('0' + next_random(10));
    }
    out[length] = '\0';
}

/* As people write them: in one piece, or in groups of four; of fifteen digits 4-6-5. */
static void group(const char *digits, char separator, char out[40]) {
    size_t length = strlen(digits), at = 0;
    for (size_t i = 0; i < length; i++) {
        bool starts = length == 15 || length == 14 ? i == 4 || i == 10 : i > 0 && i % 4 == 0;
        if (starts && separator != '\0') {
            out[at++] = separator;
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static void cards_of_every_scheme_are_found_however_they_are_written(void **state) {
    (void)state;
    static const char separators[] = {'\0', ' ', '-', '.'};
    unsigned missed = 0, all = 0;
    for (int round = 0; round < 500; round++) {
        for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
            char digits[DIGITS_ALL + 1], written[40], text[80];
            make_digits(schemes[i].prefix, schemes[i].length, digits);
            finish_luhn(digits, schemes[i].length);
            group(digits, separators[next_random(4)], written);
            snprintf(text, sizeof text, "Paid with %s today", written);
            missed += !is_redacted(text);
            all++;
        }
    }
    check_few("cards missed", missed, all);
}

/* --- what is none --- */

typedef void make_number(char out[64]);

static time_t some_time(void) {
    return (time_t)(946684800 + next_random(1893456000 - 946684800)); /* 2000 to 2029 */
}

static void epoch_ms(char out[64]) {
    snprintf(out, 64, "%lld", (long long)some_time() * 1000 + (long long)next_random(1000));
}

static void epoch_us(char out[64]) {
    snprintf(out, 64, "%lld", (long long)some_time() * 1000000 + (long long)next_random(1000000));
}

static struct tm some_day(void) {
    time_t seconds = some_time();
    struct tm parts;
    gmtime_r(&seconds, &parts);
    return parts;
}

static void compact_time(char out[64]) {
    struct tm day = some_day();
    strftime(out, 64, "%Y%m%d%H%M%S", &day);
}

static void compact_time_ms(char out[64]) {
    compact_time(out);
    snprintf(out + 14, 50, "%03d", (int)next_random(1000));
}

static void dotted_times(char out[64]) {
    struct tm day = some_day();
    strftime(out, 64, "%d-%m-%Y %H.%M.%S", &day);
}

static void two_dates(char out[64]) {
    struct tm day = some_day();
    strftime(out, 64, "%Y-%m-%d %Y-%m-%d", &day);
}

/* Type allocation codes of real devices begin with 35 and 86, old ones with 01, 44, 45, 49. */
static void imei(char out[64]) {
    static const char *const codes[] = {"35", "35", "35", "86", "86", "01", "44", "45", "49", "99"};
    make_digits(codes[next_random(10)], 15, out);
    finish_luhn(out, 15);
}

static unsigned iban_remainder(const char *text) {
    unsigned remainder = 0;
    for (; *text != '\0'; text++) {
        unsigned value = *text <= '9' ? (unsigned)(*text - '0') : (unsigned)(*text - 'A') + 10;
        remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
    }
    return remainder;
}

static void iban_of(const char *country, size_t account, char out[64]) {
    char digits[40], check[64];
    for (size_t i = 0; i < account; i++) {
        digits[i] = (char)('0' + next_random(10));
    }
    digits[account] = '\0';
    snprintf(check, sizeof check, "%s%s00", digits, country);
    snprintf(out, 64, "%s%02u%s", country, 98 - iban_remainder(check), digits);
}

static void iban(char out[64]) {
    static const struct {
        const char *country;
        size_t account;
    } forms[] = {{"DE", 18}, {"FR", 23}, {"AT", 16}, {"ES", 20}, {"BE", 12}, {"PL", 24}};
    size_t i = next_random(sizeof forms / sizeof *forms);
    iban_of(forms[i].country, forms[i].account, out);
}

static void iban_in_groups(char out[64]) {
    char whole[64];
    size_t at = 0;
    iban(whole);
    for (size_t i = 0; whole[i] != '\0'; i++) {
        if (i > 0 && i % 4 == 0) {
            out[at++] = ' ';
        }
        out[at++] = whole[i];
    }
    out[at] = '\0';
}

/* As shops, carriers and ERP systems print them. */
static void order(char out[64]) {
    switch (next_random(7)) {
    case 0:
        snprintf(out, 64, "ORD-%d-%06d", 2015 + (int)next_random(15), (int)next_random(1000000));
        break;
    case 1:
        snprintf(out, 64, "%03d-%07d-%07d", (int)next_random(1000), (int)next_random(10000000),
                 (int)next_random(10000000));
        break;
    case 2:
        snprintf(out, 64, "%02d-%05d-%05d", (int)next_random(100), (int)next_random(100000),
                 (int)next_random(100000));
        break;
    case 3:
        snprintf(out, 64, "PO 45%08d", (int)next_random(100000000));
        break;
    case 4:
        snprintf(out, 64, "INV%d%02d%02d-%05d", 2015 + (int)next_random(15),
                 1 + (int)next_random(12), 1 + (int)next_random(28), (int)next_random(100000));
        break;
    case 5:
        snprintf(out, 64, "%012llu", (unsigned long long)next_random(UINT64_C(1000000000000)));
        break;
    default:
        snprintf(out, 64, "1Z%06d%010lld", (int)next_random(1000000),
                 (long long)next_random(10000000000));
        break;
    }
}

static const struct {
    const char *name;
    make_number *make;
} kinds[] = {
    {"epoch milliseconds", epoch_ms},
    {"epoch microseconds", epoch_us},
    {"YYYYMMDDhhmmss", compact_time},
    {"YYYYMMDDhhmmssSSS", compact_time_ms},
    {"DD-MM-YYYY hh.mm.ss", dotted_times},
    {"two dates", two_dates},
    {"IMEI", imei},
    {"IBAN", iban},
    {"IBAN in groups", iban_in_groups},
    {"order numbers", order},
};

static void what_is_no_card_stays(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        unsigned taken = 0;
        for (unsigned round = 0; round < MANY; round++) {
            char number[64], text[128];
            kinds[i].make(number);
            snprintf(text, sizeof text, "Ref. %s as agreed", number);
            taken += is_redacted(text);
        }
        check_few(kinds[i].name, taken, MANY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(published_cards_are_found, make, unmake),
        cmocka_unit_test_setup_teardown(cards_of_every_scheme_are_found_however_they_are_written,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(what_is_no_card_stays, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
