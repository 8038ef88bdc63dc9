/* s000_6_memory_profile.c -- the memory profiler tells who held how much, and when.
 *
 * TensorFlow                                            here
 * tf.config.experimental.get_memory_info("CPU:0")       ebb_device_memory_read: live, peak
 * tf.config.experimental.reset_memory_stats("CPU:0")    ebb_device_peak_reset
 * tf.profiler.experimental.start("profile")             ebb_profiler_start
 * tf.profiler.experimental.stop()                       ebb_profiler_stop, ebb_profiler_save
 *
 * Nothing is sampled: the ledger itself tells the profiler of every block that comes or goes. The
 * folder gets the profile as text, JSON, a drawing (SVG) and a trace for TensorBoard's viewer. */
#include <ebb/ebb.h>

#include "example.h"

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], answers[ROWS];
    static const char *const files[] = {"profile/profile.txt", "profile/profile.json",
                                        "profile/profile.svg", "profile/profile.trace.json"};
    ebb_memory start, now;
    ebb_profiler profiler;
    ebb_profile profile;
    ebb_runtime runtime;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);
    must(ebb_device_memory_read(runtime, "CPU:0", &start, &error), &error);

    must(ebb_profiler_start(runtime, NULL, &profiler, &error), &error);
    const ebb_model model = build_model(runtime, 1024, (ebb_scope){0});
    expect(ebb_profiler_mark(profiler, "predict") == EBB_OK, "a running profiler");
    ask(model, x, ROWS, answers);

    must(ebb_device_memory_read(runtime, "CPU:0", &now, &error), &error);
    printf("current %" PRIu64 ", peak %" PRIu64 "\n", now.live, now.peak);
    expect(now.live >= start.live + 4 * 1024 * 1024 && now.peak >= now.live,
           "at least the model's weights");

    must(ebb_model_unload(model, NULL, NULL, &error), &error);
    expect(ebb_profiler_stop(profiler) == EBB_OK &&
               ebb_profiler_read(profiler, &profile) == EBB_OK && profile.peak > 4 * 1024 * 1024 &&
               profile.current < profile.peak,
           "a peak with the model, less at the end");
    must(ebb_profiler_save(profiler, "profile/", &error), &error);
    expect(ebb_profiler_close(profiler) == EBB_OK, "a profiler to close");
    for (int i = 0; i < 4; i++) expect(access(files[i], R_OK) == 0, files[i]);
    printf("profile written\n");

    must(ebb_device_peak_reset(runtime, "CPU:0", &error), &error);
    must(ebb_device_memory_read(runtime, "CPU:0", &now, &error), &error);
    expect(now.live == start.live && now.peak == start.live, "the figures of the start");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
