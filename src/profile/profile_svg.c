/* profile_svg.c -- a profile as a drawing: stacked areas by owner, the peak as a line, marks, what
 * the models did below, the owners with their peaks beside. Self-contained: no script, no font, no
 * style from elsewhere. */
#include <inttypes.h>

#include "profile/profile_writer.h"

#define WIDTH       1200.0
#define HEIGHT      560.0
#define LEFT        90.0
#define TOP         60.0
#define PLOT_WIDTH  800.0
#define PLOT_HEIGHT 380.0
#define BOTTOM      (TOP + PLOT_HEIGHT)
#define SPANS_TOP   (BOTTOM + 40.0)
#define SPAN_HEIGHT 14.0
#define POINTS_MAX  400u
#define LEGEND_MAX  20u
#define COLOURS     12u

static const char *const colours[COLOURS] = {
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377",
    "#bb5500", "#225555", "#8866bb", "#99ddaa", "#dd9966", "#777777",
};

/* What of the timeline is drawn, and how large. */
typedef struct drawing {
    profile_sink *s;
    const timeline *t;
    double bytes_top; /* of the axis */
    uint32_t points;
} drawing;

static double x_of(const drawing *d, uint64_t time_ns)
{
    return LEFT + PLOT_WIDTH * (double)time_ns / (double)d->t->end_ns;
}

static double y_of(const drawing *d, double bytes)
{
    return BOTTOM - PLOT_HEIGHT * bytes / d->bytes_top;
}

/* Point `index`: of the moments that it stands for the highest, at the end the last. */
static const timeline_moment *point(const drawing *d, uint32_t index)
{
    const uint32_t count = d->t->moment_count;
    uint32_t highest = (uint32_t)((uint64_t)index * count / d->points);
    const uint32_t end = (uint32_t)((uint64_t)(index + 1) * count / d->points);

    if (index + 1 == d->points) return timeline_at(d->t, count - 1);
    for (uint32_t i = highest; i < end; i++) {
        if (timeline_at(d->t, i)->bytes > timeline_at(d->t, highest)->bytes) highest = i;
    }
    return timeline_at(d->t, highest);
}

/* Bytes of the columns below `column`, together. */
static double below(const drawing *d, const timeline_moment *m, uint32_t column)
{
    double sum = 0;

    for (uint32_t i = 0; i < column; i++) sum += (double)timeline_owner_bytes(d->t, m, i);
    return sum;
}

/* A step from moment to moment, there along the upper edge and back along the lower one. */
static void put_area(const drawing *d, uint32_t column)
{
    const timeline_owner *o = timeline_owner_at(d->t, column);

    if (o->peak == 0) return;
    sink_format(d->s, "<path fill=\"%s\" fill-opacity=\"0.85\" d=\"M", colours[column % COLOURS]);
    for (uint32_t i = 0; i < d->points; i++) {
        const timeline_moment *m = point(d, i);
        const double y = y_of(d, below(d, m, column + 1));
        const uint64_t until = i + 1 < d->points ? point(d, i + 1)->time_ns : d->t->end_ns;
        sink_format(d->s, "%.1f,%.1f %.1f,%.1f ", x_of(d, m->time_ns), y, x_of(d, until), y);
    }
    for (uint32_t i = d->points; i-- > 0;) {
        const timeline_moment *m = point(d, i);
        const double y = y_of(d, below(d, m, column));
        const uint64_t until = i + 1 < d->points ? point(d, i + 1)->time_ns : d->t->end_ns;
        sink_format(d->s, "%.1f,%.1f %.1f,%.1f ", x_of(d, until), y, x_of(d, m->time_ns), y);
    }
    sink_put(d->s, "Z\"><title>");
    sink_xml(d->s, o->name);
    sink_format(d->s, ": peak %s bytes</title></path>\n", sink_grouped(o->peak).text);
}

/* 1, 2 or 5 times a power of ten (of two for bytes), at least `least`. */
static double round_step(double least, double base)
{
    double unit = 1;

    while (unit * base <= least) unit *= base;
    while (base == 10 && unit > least && unit > 1e-9) unit /= 10;
    for (int i = 0; i < 12; i++) {
        static const double factors[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
        if (unit * factors[i] >= least) return unit * factors[i];
    }
    return unit * base;
}

static void put_axes(const drawing *d)
{
    const double seconds = (double)d->t->end_ns / 1e9;
    const double step = round_step(d->bytes_top / 6, 1024), pace = round_step(seconds / 8, 10);

    for (double at = 0; at <= d->bytes_top; at += step) {
        const double y = y_of(d, at);
        sink_format(d->s, "<path class=\"g\" d=\"M%.1f,%.1fH%.1f\"/>", LEFT, y, LEFT + PLOT_WIDTH);
        sink_format(d->s, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8,
                    y + 4, sink_size((uint64_t)at).text);
    }
    for (double at = 0; at <= seconds * 1.000001; at += pace) {
        const double x = x_of(d, (uint64_t)(at * 1e9));
        sink_format(d->s, "<path class=\"g\" d=\"M%.1f,%.1fv6\"/>", x, BOTTOM);
        sink_format(d->s, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.4g s</text>\n", x,
                    BOTTOM + 20, at);
    }
}

static void put_peak(const drawing *d)
{
    const double y = y_of(d, (double)d->t->peak);

    sink_format(d->s, "<path class=\"p\" d=\"M%.1f,%.1fH%.1f\"/>\n", LEFT, y, LEFT + PLOT_WIDTH);
    sink_format(d->s,
                "<text x=\"%.1f\" y=\"%.1f\" class=\"q\" text-anchor=\"end\">peak %s "
                "bytes</text>\n",
                LEFT + PLOT_WIDTH, y - 5, sink_grouped(d->t->peak).text);
}

static void put_marks(const drawing *d)
{
    for (uint32_t i = 0; i < d->t->mark_count; i++) {
        const double x = x_of(d, d->t->marks[i].time_ns);
        sink_format(d->s, "<path class=\"m\" d=\"M%.1f,%.1fV%.1f\"/>", x, TOP, BOTTOM);
        sink_format(d->s, "<text x=\"%.1f\" y=\"%.1f\">", x + 3, TOP + 12 + (double)(i % 4) * 14);
        sink_xml(d->s, d->t->marks[i].label);
        sink_put(d->s, "</text>\n");
    }
}

static void put_spans(const drawing *d)
{
    static const char *const fills[] = {
        [TIMELINE_LOAD] = "#228833", [TIMELINE_PREDICT] = "#4477aa", [TIMELINE_UNLOAD] = "#bb5500"};

    if (d->t->span_count == 0) return;
    for (int kind = TIMELINE_LOAD; kind <= TIMELINE_UNLOAD; kind++) {
        sink_format(d->s, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8,
                    SPANS_TOP + kind * 18.0 + 11, timeline_kind_name((timeline_kind)kind));
    }
    for (uint32_t i = 0; i < d->t->span_count; i++) {
        const timeline_span *span = timeline_span_at(d->t, i);
        const double x = x_of(d, span->begin_ns), width = x_of(d, span->end_ns) - x;
        sink_format(d->s,
                    "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" "
                    "fill=\"%s\"><title>%s ",
                    x, SPANS_TOP + span->kind * 18.0, width < 0.5 ? 0.5 : width, SPAN_HEIGHT,
                    fills[span->kind], timeline_kind_name(span->kind));
        sink_xml(d->s, span->name);
        sink_format(d->s, ": %.3f ms</title></rect>\n",
                    (double)(span->end_ns - span->begin_ns) / 1e6);
    }
}

static void put_legend(const drawing *d)
{
    const uint32_t columns = timeline_columns(d->t);
    const double x = LEFT + PLOT_WIDTH + 20;
    double y = TOP + 10;

    for (uint32_t i = columns; i-- > 0 && columns - i <= LEGEND_MAX;) {
        const timeline_owner *o = timeline_owner_at(d->t, i);
        char name[33];
        sink_format(d->s, "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" fill=\"%s\"/>", x,
                    y - 10, colours[i % COLOURS]);
        size_t length = 0;
        for (; o->name[length] != '\0' && length + 1 < sizeof name; length++)
            name[length] = o->name[length];
        while (length > 0 && ((unsigned char)o->name[length] & 0xc0) == 0x80) length--;
        name[length] = '\0';
        sink_format(d->s, "<text x=\"%.1f\" y=\"%.1f\">", x + 18, y);
        sink_xml(d->s, name);
        sink_format(d->s, "</text><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                    WIDTH - 20, y, sink_size(o->peak).text);
        y += 18;
    }
    if (columns > LEGEND_MAX)
        sink_format(d->s, "<text x=\"%.1f\" y=\"%.1f\">and %u more</text>\n", x + 18, y,
                    columns - LEGEND_MAX);
}

void profile_write_svg(profile_sink *s, const timeline *t)
{
    drawing d = {.s = s, .t = t, .bytes_top = (double)t->peak * 1.08};

    if (d.bytes_top < 1) d.bytes_top = 1;
    d.points = t->moment_count < POINTS_MAX ? t->moment_count : POINTS_MAX;
    sink_format(s,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                "width=\"%.0f\" height=\"%.0f\" role=\"img\">\n",
                WIDTH, HEIGHT, WIDTH, HEIGHT);
    sink_put(s, "<style>text{font:12px sans-serif;fill:#222}.t{font-size:18px}.q{fill:#b00}"
                "path.g{stroke:#ddd;fill:none}path.p{stroke:#bb0000;fill:none;"
                "stroke-dasharray:6 4}path.m{stroke:#555;fill:none;stroke-dasharray:2 3}</style>\n"
                "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    sink_format(s, "<text class=\"t\" x=\"%.1f\" y=\"26\">Live bytes by owner</text>\n", LEFT);
    sink_format(s,
                "<text x=\"%.1f\" y=\"46\">current %s, peak %s bytes, %.3f s, %s changes</text>\n",
                LEFT, sink_grouped(t->live).text, sink_grouped(t->peak).text,
                (double)t->end_ns / 1e9, sink_grouped(t->changes).text);
    put_axes(&d);
    for (uint32_t i = 0; i < timeline_columns(t) && d.points > 0; i++) put_area(&d, i);
    put_peak(&d);
    put_marks(&d);
    put_spans(&d);
    put_legend(&d);
    sink_put(s, "</svg>\n");
}
