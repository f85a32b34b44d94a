/* card.c: a table of issuers. One number in ten passes Luhn by chance, so that alone would take
 * every tenth timestamp, order number or meter reading for a card; the first digits and the length
 * of each scheme leave less than one in a thousand of those. */
#include "privacy/card.h"

#include <string.h>

#define DIGITS_MOST 19
#define PREFIX      6 /* digits of the issuer that are looked at */
#define GROUP_LEAST 3

/* A set of lengths, 12 to 19. */
#define OF(length) (1u << (length))
#define FROM_16    (OF(16) | OF(17) | OF(18) | OF(19))
#define FROM_12    (OF(12) | OF(13) | OF(14) | OF(15) | FROM_16)

/* Numbers whose first six digits are from..to. In order. */
struct issuer {
    int from, to;
    unsigned lengths;
};

static const struct issuer issuers[] = {
    {220000, 220499, FROM_16},          /* Mir */
    {222100, 272099, OF(16)},           /* Mastercard */
    {300000, 305999, OF(14) | FROM_16}, /* Diners Club */
    {309500, 309599, OF(14) | FROM_16},
    {340000, 349999, OF(15)},                   /* American Express */
    {352800, 358999, FROM_16},                  /* JCB */
    {360000, 369999, OF(14) | FROM_16},         /* Diners Club */
    {370000, 379999, OF(15)},                   /* American Express */
    {380000, 399999, OF(14) | FROM_16},         /* Diners Club */
    {400000, 499999, OF(13) | OF(16) | OF(19)}, /* Visa */
    {500000, 509999, FROM_12},                  /* Maestro, Elo, Verve, Dankort, RuPay */
    {510000, 559999, OF(16)},                   /* Mastercard */
    {560000, 589999, FROM_12},                  /* Maestro */
    {600000, 601099, OF(16)},                   /* RuPay */
    {601100, 601199, FROM_16},                  /* Discover */
    {604000, 604099, FROM_16},                  /* UkrCard */
    {606200, 608999, OF(16) | OF(19)},          /* Hipercard, RuPay */
    {620000, 629999, FROM_16},                  /* UnionPay, Discover, Elo */
    {630000, 639999, FROM_12},                  /* Maestro, InterPayment, Elo */
    {644000, 659999, FROM_16},                  /* Discover, RuPay, Elo, Verve, Troy */
    {670000, 679999, FROM_12},                  /* Maestro */
    {810000, 829999, FROM_16},                  /* UnionPay, RuPay */
    {979200, 979299, OF(16)},                   /* Troy */
};

/* The digits so far. Which of the two sums counts depends on how many there will be. */
struct number {
    int count;
    int prefix;
    int sums[2]; /* Luhn: with the digits at even places doubled, with those at odd places doubled
                  */
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static char byte_at(struct text text, size_t at) {
    return at < text.length ? text.bytes[at] : '\0';
}

static void add(struct number *number, char c) {
    int digit = c - '0', doubled = digit > 4 ? digit * 2 - 9 : digit * 2;
    int place = number->count & 1;
    number->prefix = number->count < PREFIX ? number->prefix * 10 + digit : number->prefix;
    number->sums[place] += doubled;
    number->sums[1 - place] += digit;
    number->count++;
}

static bool is_issued(const struct number *number) {
    for (size_t i = 0; i < sizeof issuers / sizeof *issuers; i++) {
        if (number->prefix >= issuers[i].from && number->prefix <= issuers[i].to) {
            return (issuers[i].lengths & OF(number->count)) != 0;
        }
    }
    return false;
}

static bool is_card(const struct number *number) {
    return number->count >= 12 && number->count <= DIGITS_MOST &&
           number->sums[number->count % 2] % 10 == 0 && is_issued(number);
}

static bool is_separator(char c) {
    return c == ' ' || c == '-' || c == '.';
}

/* Skips up to three separators if a digit follows them. */
static size_t skip_separators(struct text text, size_t at) {
    size_t end = at;
    while (end < text.length && end - at < 3 && is_separator(text.bytes[end])) {
        end++;
    }
    return is_digit(byte_at(text, end)) ? end : at;
}

/* Groups of two are dates and times. The last may have any length. */
struct groups {
    bool all_single, all_long;
    size_t length; /* of the one at hand */
};

static void end_group(struct groups *groups) {
    groups->all_single = groups->all_single && groups->length == 1;
    groups->all_long = groups->all_long && groups->length >= GROUP_LEAST;
    groups->length = 0;
}

static bool may_end(const struct groups *groups) {
    return groups->all_long || (groups->all_single && groups->length == 1);
}

size_t card_end(struct text text, size_t at) {
    struct number number = {0};
    struct groups groups = {true, true, 0};
    size_t found = 0;
    if (at > 0 && is_digit(text.bytes[at - 1])) {
        return 0;
    }
    while (is_digit(byte_at(text, at)) && number.count <= DIGITS_MOST) {
        add(&number, text.bytes[at++]);
        groups.length++;
        if (!is_digit(byte_at(text, at))) {
            found = may_end(&groups) && is_card(&number) ? at : found;
            end_group(&groups);
            at = skip_separators(text, at);
        }
    }
    return found;
}

bool card_is_number(struct text number) {
    struct number digits = {0};
    for (size_t i = 0; i < number.length; i++) {
        if (!is_digit(number.bytes[i]) || digits.count > DIGITS_MOST) {
            return false;
        }
        add(&digits, number.bytes[i]);
    }
    return is_card(&digits);
}
