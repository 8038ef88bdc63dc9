/* device_test.c -- the CPU device: options, kernel table, cores, parallel_for. */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/topology.h"
#include "device/device.h"
#include "harness.h"

static device open_cpu(test *t, const device_options *options)
{
    device d = {.def = device_def_find("CPU")};

    CHECK(d.def != NULL);
    CHECK_OK(d.def->open(&d, options, &t->error));
    return d;
}

TEST(cpu_describes_itself)
{
    const device_options options = {0};
    const device d = open_cpu(t, &options);

    CHECK_TEXT(d.name, "CPU:0");
    CHECK(strlen(d.description) > 3);
    CHECK(d.jit);
    CHECK(d.threads >= 1);
    CHECK_EQ(d.threads, topology_cores());
    CHECK(device_def_find("TPU") == NULL);
}

TEST(cpu_follows_its_options)
{
    const device_options portable = {.isa = "portable", .no_jit = true, .threads = 3};
    const device_options best = {0}, avx2 = {.isa = "avx2"}, odd = {.isa = "mmx"},
                         many = {.threads = 5000};
    const device d = open_cpu(t, &portable);
    device refused = {0};

    CHECK_EQ(d.isa, ISA_PORTABLE);
    CHECK(!d.jit);
    CHECK_EQ(d.threads, 3);
    CHECK(open_cpu(t, &avx2).isa <= ISA_AVX2);
    CHECK(open_cpu(t, &avx2).isa <= open_cpu(t, &best).isa);
    CHECK_STATUS(d.def->open(&refused, &odd, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "mmx");
    CHECK_STATUS(d.def->open(&refused, &many, &t->error), EBB_E_ARGUMENT);
}

/* Every op is computed by a portable row, which stands last; all rows are named and can run. Loops
 * are run by the executable around them. */
TEST(cpu_has_rows_for_every_op)
{
    const device_options options = {0};
    const device d = open_cpu(t, &options);

    for (op_id op = OP_NONE + 1; op < OP_COUNT; op++) {
        uint32_t count = 0;
        const kernel_def *const *rows = d.def->kernels(&d, op, &count);

        CHECK_EQ(count == 0, op == OP_scan);
        for (uint32_t i = 0; i < count; i++) {
            CHECK_EQ(rows[i]->op, op);
            CHECK(rows[i]->plan != NULL && rows[i]->run != NULL);
            CHECK_EQ(strncmp(rows[i]->name, "portable.", 9) == 0, i + 1 == count);
        }
    }
}

TEST(quotas_are_rounded_up)
{
    CHECK_EQ(topology_quota_parse("max 100000\n"), 0);
    CHECK_EQ(topology_quota_parse("150000 100000\n"), 2);
    CHECK_EQ(topology_quota_parse("200000 100000\n"), 2);
    CHECK_EQ(topology_quota_parse("1000 100000\n"), 1);
    CHECK_EQ(topology_quota_parse("100"), 0);
    CHECK_EQ(topology_quota_parse(""), 0);
    CHECK_EQ(topology_quota_parse("-1 100000"), 0);
}

enum { CELLS = 1000 };
typedef struct cover {
    uint8_t times[CELLS];
    size_t grain, count;
    bool is_odd; /* a range that does not begin at a multiple of the grain */
} cover;

static void cover_range(void *context, size_t begin, size_t end)
{
    cover *const c = context;

    if (begin % c->grain != 0 || (end % c->grain != 0 && end != c->count) || begin >= end)
        c->is_odd = true;
    for (size_t i = begin; i < end; i++) c->times[i]++;
}

TEST(parallel_for_covers_everything_once)
{
    static const size_t counts[] = {0, 1, 2, 7, 64, 999, 1000}, grains[] = {1, 3, 16, 600, 5000};

    test_threads_stay(t);
    for (uint32_t threads = 1; threads <= 5; threads++) {
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            for (size_t k = 0; k < sizeof grains / sizeof grains[0]; k++) {
                cover c = {.grain = grains[k], .count = counts[i]};

                parallel_for(threads, counts[i], grains[k], cover_range, &c);
                CHECK(!c.is_odd);
                for (size_t j = 0; j < CELLS; j++) CHECK_EQ(c.times[j], j < counts[i]);
            }
        }
    }
}

TEST_MAIN(RUN(cpu_describes_itself), RUN(cpu_follows_its_options), RUN(cpu_has_rows_for_every_op),
          RUN(quotas_are_rounded_up), RUN(parallel_for_covers_everything_once))
