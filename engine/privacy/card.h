/* card.h: numbers of payment cards, told from other long numbers by who issues them (ISO/IEC 7812),
 * by their length and by their last digit (Luhn). Pure, linear. Used by engine/privacy only. */
#ifndef STATUTE_CARD_H
#define STATUTE_CARD_H

#include "base/text.h"

/* The end of the longest card number that begins at `at` and ends with a group of digits; 0: none.
 * Groups of three digits or more, or of one, may have up to three spaces, dashes or dots between
 * them. */
size_t card_end(struct text text, size_t at);

/* Whether the text is a card number and nothing else. */
bool card_is_number(struct text number);

#endif
