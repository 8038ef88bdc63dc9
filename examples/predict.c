/* predict.c -- load a model, ask it, give every byte back.
 *
 *     cc examples/predict.c $(pkg-config --cflags --libs ebb) -o predict && ./predict */
#include <ebb/ebb.h>
#include <stdio.h>

int main(void)
{
    float image[64] = {0}, digits[10];
    const ebb_view x = {EBB_F32, 4, {1, 8, 8, 1}, image}, y = {EBB_F32, 2, {1, 10}, digits};
    const ebb_views inputs = {&x, 1}, outputs = {&y, 1};
    ebb_error error;
    ebb_runtime runtime;
    ebb_model model;
    ebb_receipt receipt;

    if (ebb_runtime_open(NULL, &runtime, &error) != EBB_OK ||
        ebb_model_load(runtime, "examples/models/digits_mlp.keras", NULL, &model, &error) !=
            EBB_OK ||
        ebb_model_predict(model, &inputs, &outputs, &error) != EBB_OK ||
        ebb_model_unload(model, NULL, &receipt, &error) != EBB_OK) {
        fprintf(stderr, "%s: %s\n", error.where, error.text);
        return 1;
    }
    printf("P(0) = %.3f; %llu bytes came back\n", digits[0],
           (unsigned long long)receipt.bytes_total);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
