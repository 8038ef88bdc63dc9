/* window_function.c -- see window_function.h. Source of the formulas: scipy.signal.windows. */
#include "train/initializer/window_function.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define PI        3.14159265358979323846
#define TERMS_MAX 5

struct window_function {
    const char *name;
    double terms[TERMS_MAX]; /* of a sum of cosines; used when `at` is NULL */
    double (*at)(double n, double count);
};

static double triangle(double n, double count)
{
    const double half = floor((count + 1) / 2);
    const double up = n < half ? n + 1 : count - n;

    return fmod(count, 2) == 0 ? (2 * up - 1) / count : 2 * up / (count + 1);
}

static double bartlett(double n, double count)
{
    const double place = 2 * n / (count - 1);

    return place <= 1 ? place : 2 - place;
}

static double sine(double n, double count)
{
    return sin(PI / count * (n + 0.5));
}

static double bartlett_hann(double n, double count)
{
    const double off = fabs(n / (count - 1) - 0.5);

    return 0.62 - 0.48 * off + 0.38 * cos(2 * PI * off);
}

static double bohman(double n, double count)
{
    const double off = fabs(2 * n / (count - 1) - 1);

    if (n == 0 || n == count - 1) return 0;
    return (1 - off) * cos(PI * off) + sin(PI * off) / PI;
}

static double parzen(double n, double count)
{
    const double off = fabs(n - (count - 1) / 2), part = off / (count / 2);

    if (off > (count - 1) / 4) return 2 * pow(1 - part, 3);
    return 1 - 6 * part * part + 6 * part * part * part;
}

static double lanczos(double n, double count)
{
    const double x = PI * (2 * n / (count - 1) - 1);

    return x == 0 ? 1 : sin(x) / x;
}

static const window_function functions[] = {
    {"hann", {0.5, 0.5}, NULL},
    {"hanning", {0.5, 0.5}, NULL},
    {"hamming", {0.54, 0.46}, NULL},
    {"boxcar", {1}, NULL},
    {"rectangular", {1}, NULL},
    {"blackman", {0.42, 0.5, 0.08}, NULL},
    {"nuttall", {0.3635819, 0.4891775, 0.1365995, 0.0106411}, NULL},
    {"blackmanharris", {0.35875, 0.48829, 0.14128, 0.01168}, NULL},
    {"flattop", {0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368}, NULL},
    {"triang", {0}, triangle},
    {"bartlett", {0}, bartlett},
    {"cosine", {0}, sine},
    {"barthann", {0}, bartlett_hann},
    {"bohman", {0}, bohman},
    {"parzen", {0}, parzen},
    {"lanczos", {0}, lanczos},
};

const window_function *window_function_find(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].name, name) == 0) return &functions[i];
    }
    return NULL;
}

double window_function_at(const window_function *w, uint64_t index, uint64_t length,
                          bool is_periodic)
{
    const double n = (double)index, count = (double)length + (is_periodic ? 1 : 0);
    double sum = 0;

    if (length <= 1) return 1;
    if (w->at != NULL) return w->at(n, count);
    for (uint32_t k = 0; k < TERMS_MAX; k++) {
        sum += w->terms[k] * cos(k * (2 * PI * n / (count - 1) - PI));
    }
    return sum;
}
