# Writes OUTPUT, a C file that defines `const struct text SYMBOL` with the bytes of INPUT.
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT} "#include \"base/text.h\"
extern const struct text ${SYMBOL};
static const unsigned char bytes[] = {${bytes}0};
const struct text ${SYMBOL} = {(const char *)bytes, ${size}};
")
