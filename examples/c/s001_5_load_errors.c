/* s001_5_load_errors.c -- a load that fails says why, costs nothing and harms no other model.
 *
 * TensorFlow                                      here
 * except Exception as e:                          status = ebb_model_load(..., &error)
 *     print(f"An error occurred: {e}")            error.status to decide, error.text to show
 *
 * FileNotFoundError is EBB_E_NOT_FOUND, an unreadable file is EBB_E_FORMAT. The format is told by
 * what is in the file, not by its name. From the shell:  ebb check FILE */
#include <ebb/ebb.h>

#include "example.h"

/* Copies the first `bytes_max` bytes of a file. */
static void copy_part(const char *from, const char *to, size_t bytes_max)
{
    static char buffer[1 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");

    expect(in != NULL && out != NULL, "two files");
    const size_t bytes =
        fread(buffer, 1, bytes_max < sizeof buffer ? bytes_max : sizeof buffer, in);
    expect(fwrite(buffer, 1, bytes, out) == bytes, "a copy");
    fclose(in);
    fclose(out);
}

static void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "wb");

    expect(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0, "a file");
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], stored[ROWS], answers[ROWS];
    static const struct {
        const char *path;
        ebb_status status;
    } cases[] = {{"missing.h5", EBB_E_NOT_FOUND},
                 {"truncated.h5", EBB_E_FORMAT},
                 {"garbage.h5", EBB_E_FORMAT},
                 {"model.unknown", EBB_E_FORMAT},
                 {"missing.keras", EBB_E_NOT_FOUND}};
    ebb_runtime runtime;
    ebb_model other, model;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    write_model_file("my_model.h5", 16, x, y, stored);
    copy_part("my_model.h5", "truncated.h5", 4096);
    write_text("garbage.h5", "not a model not a model not a model");
    write_text("model.unknown", "{\"a\": \"file of another program\"}");
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    must(ebb_model_load(runtime, "my_model.h5", NULL, &other, &error), &error);
    const uint64_t before = live_bytes(runtime);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const ebb_status status = ebb_model_load(runtime, cases[i].path, NULL, &model, &error);

        printf("error: %s: %s\n", cases[i].path, error.text);
        expect(status == cases[i].status && error.status == status, "the documented status");
        expect(live_bytes(runtime) == before, "that a failed load leaves nothing");
    }

    ask(other, x, ROWS, answers);
    expect(difference(answers, stored, ROWS) == 0, "that the other model is as it was");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
