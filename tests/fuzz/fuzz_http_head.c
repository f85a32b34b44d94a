/* fuzz_http_head.c: the request reader on hostile bytes. Besides not crashing it must hold that
 *  1. what the bytes mean does not depend on the pieces they arrive in;
 *  2. what is accepted is what the header promises: no control characters, names that are
 *     tokens, a target that begins with one '/', one framing.
 * libFuzzer: clang -fsanitize=fuzzer,address,undefined, with engine/base and http/head.c,
 * http/body.c. Without libFuzzer: -DREPLAY gives a main that runs the files named on its command
 * line. */
#include <stdio.h>
#include <stdlib.h>

#include "http/body.h"
#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http_progress progress;
    enum fault_code code;
    size_t used;
    struct text content;
    struct http_head head;
};

static void require(bool fine, const char *what) {
    if (!fine) {
        fprintf(stderr, "fuzz_http_head: %s\n", what);
        abort();
    }
}

/* Small, so that short inputs reach them. */
static const struct http_limits *limits(void) {
    static const struct http_limits small = {
        .uri_bytes = 200, .header_bytes = 500, .header_count = 8, .body_bytes = 300};
    return &small;
}

static bool is_printable(struct text text, bool with_blanks) {
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        bool blank = byte == ' ' || byte == '\t';
        if (blank ? !with_blanks : byte < 0x21 || byte == 0x7F) {
            return false;
        }
    }
    return true;
}

static void check_head(const struct http_head *head) {
    require(head->path.length > 0 && head->path.bytes[0] == '/', "the path begins with '/'");
    require(!text_starts(head->path, TEXT("//")), "the path begins with one '/'");
    require(is_printable(head->target, false), "the target is printable");
    require(head->header_count <= limits()->header_count, "headers are counted");
    require(!head->chunked || !text_given(head->length_value), "there is one framing");
    require(head->content_length <= limits()->body_bytes, "the length is limited");
    for (size_t i = 0; i < head->header_count; i++) {
        require(head->headers[i].name.length > 0, "a header has a name");
        require(is_printable(head->headers[i].name, false), "a name is printable");
        require(is_printable(head->headers[i].value, true), "a value is printable");
    }
}

static void read_body(struct arena *arena, struct text bytes, size_t step, struct outcome *out) {
    struct fault fault = FAULT_INIT;
    struct http_body body;
    size_t from = 0, to = 0;
    out->progress = HTTP_MORE;
    http_body_begin(&body, arena, &out->head);
    while (out->progress == HTTP_MORE && to < bytes.length) {
        size_t used;
        to = bytes.length - to > step ? to + step : bytes.length;
        out->progress = http_body_take(&body, (struct text){bytes.bytes + from, to - from},
                                       limits(), &used, &fault);
        from += used;
    }
    out->code = fault.code;
    out->used += out->progress == HTTP_WHOLE ? from : 0;
    out->content = buffer_view(&body.content);
    require(out->content.length <= limits()->body_bytes, "the body is limited");
}

static struct outcome read_request(struct arena *arena, struct text bytes, size_t step) {
    struct outcome out = {.progress = HTTP_MORE};
    struct http_scan scan = {0};
    struct fault fault = FAULT_INIT;
    size_t to = 0;
    while (out.progress == HTTP_MORE && to < bytes.length) {
        to = bytes.length - to > step ? to + step : bytes.length;
        out.progress = http_head_scan(&scan, (struct text){bytes.bytes, to}, limits(), &fault);
    }
    if (out.progress == HTTP_WHOLE) {
        struct text head = {bytes.bytes + scan.start, scan.end - scan.start};
        bool fine = http_head_parse(arena, head, scan.count, limits(), &out.head, &fault);
        out.progress = fine ? HTTP_WHOLE : HTTP_REFUSED;
        out.used = scan.end;
    }
    out.code = fault.code;
    if (out.progress == HTTP_WHOLE) {
        check_head(&out.head);
        if (http_head_has_body(&out.head)) {
            struct text rest = {bytes.bytes + scan.end, bytes.length - scan.end};
            read_body(arena, rest, step, &out);
        }
    }
    require((out.progress == HTTP_REFUSED) == (out.code != FAULT_NONE), "a refusal has a fault");
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text bytes = {size > 0 ? (const char *)data : "", size};
    struct arena arena;
    arena_init(&arena, 0);
    struct outcome whole = read_request(&arena, bytes, size + 1);
    static const size_t steps[] = {1, 2, 7, 64};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct outcome pieces = read_request(&arena, bytes, steps[i]);
        require(pieces.progress == whole.progress, "pieces make no difference");
        require(pieces.code == whole.code, "pieces make no difference to the fault");
        require(pieces.progress != HTTP_WHOLE || pieces.used == whole.used,
                "pieces make no difference to the end");
        require(pieces.progress != HTTP_WHOLE || text_equal(pieces.content, whole.content),
                "pieces make no difference to the body");
    }
    arena_deinit(&arena);
    return 0;
}

#ifdef REPLAY
int main(int count, char **files) {
    static uint8_t bytes[1 << 20];
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(files[i], "rb");
        require(file != NULL, files[i]);
        size_t length = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        LLVMFuzzerTestOneInput(bytes, length);
    }
    printf("%d inputs replayed\n", count - 1);
    return 0;
}
#endif
