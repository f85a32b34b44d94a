/* output.h: a file to write to, or standard output. */
#ifndef STATUTE_OUTPUT_H
#define STATUTE_OUTPUT_H

#include <stdio.h>

#include "base/fault.h"

/* An empty path or "-" is standard output. FAULT_ENVIRONMENT: the file cannot be made. */
bool output_open(struct text path, FILE **out, struct fault *fault) MUST_CHECK;

/* FAULT_ENVIRONMENT when not everything was written; a file is then not complete. */
bool output_close(struct text path, FILE *stream, struct fault *fault) MUST_CHECK;

#endif
