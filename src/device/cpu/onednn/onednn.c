/* onednn.c -- the shim's body. One static record holds the loaded library: it is the process's,
 * as the library itself is; it is written once, under pthread_once, and only read afterwards. */
#define _GNU_SOURCE
#include "device/cpu/onednn/onednn.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/region.h"

/* Every function of the library that is used, once: types come from its header. */
/* clang-format off */
#define ONEDNN_FUNCTIONS(X)                                                                        \
    X(version) X(set_primitive_cache_capacity) X(engine_create)                                    \
    X(stream_create) X(stream_destroy)                                                             \
    X(memory_create) X(memory_destroy) X(memory_set_data_handle)                                   \
    X(memory_desc_equal) X(memory_desc_get_size)                                                   \
    X(post_ops_create) X(post_ops_destroy) X(post_ops_append_eltwise) X(post_ops_append_binary)    \
    X(post_ops_append_sum)                                                                         \
    X(primitive_attr_create) X(primitive_attr_destroy) X(primitive_attr_set_post_ops)              \
    X(primitive_attr_set_scratchpad_mode)                                                          \
    X(primitive_desc_destroy) X(primitive_desc_query) X(primitive_desc_query_md)                   \
    X(reorder_primitive_desc_create)                                                               \
    X(primitive_create) X(primitive_execute) X(primitive_destroy)
#if DNNL_VERSION_MAJOR >= 3
#define ONEDNN_FUNCTIONS_OF_VERSION(X)                                                             \
    X(memory_desc_create_with_strides) X(memory_desc_create_with_tag) X(memory_desc_destroy)       \
    X(memory_desc_clone) X(memory_desc_get_blob) X(memory_desc_create_with_blob)                   \
    X(convolution_forward_primitive_desc_create) X(deconvolution_forward_primitive_desc_create)    \
    X(convolution_backward_weights_primitive_desc_create)                                          \
    X(matmul_primitive_desc_create) X(pooling_forward_primitive_desc_create)
#else
#define ONEDNN_FUNCTIONS_OF_VERSION(X)                                                             \
    X(memory_desc_init_by_strides) X(memory_desc_init_by_tag) X(primitive_desc_create)             \
    X(dilated_convolution_forward_desc_init) X(dilated_deconvolution_forward_desc_init)            \
    X(dilated_convolution_backward_weights_desc_init)                                              \
    X(matmul_desc_init) X(pooling_v2_forward_desc_init)
#endif
/* clang-format on */

#define TEXT_OF(x)   #x
#define TEXT(x)      TEXT_OF(x)
#define LIBRARY_NAME "libdnnl.so." TEXT(DNNL_VERSION_MAJOR)

#define SEGMENTS_MAX 8 /* a library has three or four that are not written */

typedef struct segment {
    void *begin;
    size_t bytes;
} segment;

typedef struct library {
    bool is_ready;
    uint32_t segment_count;
    segment segments[SEGMENTS_MAX];
    dnnl_engine_t engine;
    int (*omp_get_max_threads)(void); /* of the OpenMP the library runs on; NULL if it has none */
    void (*omp_set_num_threads)(int);
#define FUNCTION(name) __typeof__(dnnl_##name) *name;
    ONEDNN_FUNCTIONS(FUNCTION)
    ONEDNN_FUNCTIONS_OF_VERSION(FUNCTION)
#undef FUNCTION
} library;

static library lib;
static pthread_once_t lib_once = PTHREAD_ONCE_INIT;
static atomic_uint works_alive;

/* Puts a symbol's address into a function pointer; ISO C has no cast for it. */
static bool find(void *handle, const char *name, void *function)
{
    void *const address = dlsym(handle, name);

    memcpy(function, &address, sizeof address);
    return address != NULL;
}

/* Notes a library's segments that are never written: their pages equal the file. */
static int note_segments(struct dl_phdr_info *info, size_t bytes, void *context)
{
    const uintptr_t page = PAGE_BYTES, wanted = *(const uintptr_t *)context;
    bool found = false;

    (void)bytes;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const uintptr_t begin = info->dlpi_addr + p->p_vaddr;

        found = found || (p->p_type == PT_LOAD && wanted >= begin && wanted < begin + p->p_memsz);
    }
    for (int i = 0; found && i < info->dlpi_phnum && lib.segment_count < SEGMENTS_MAX; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const uintptr_t begin = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
        const uintptr_t end = (info->dlpi_addr + p->p_vaddr + p->p_filesz) & ~(page - 1);

        if (p->p_type != PT_LOAD || (p->p_flags & PF_W) != 0 || end <= begin) continue;
        lib.segments[lib.segment_count++] = (segment){(void *)begin, end - begin};
    }
    return found;
}

/* Once, while the library is loaded: later the loader's lock must not be needed, since a child of
 * a fork finds it held for ever if another thread had it. */
static void find_segments(void)
{
    uintptr_t inside;

    memcpy(&inside, &lib.version, sizeof inside);
    dl_iterate_phdr(note_segments, &inside);
}

static void release_pages(void)
{
    for (uint32_t i = 0; i < lib.segment_count; i++) {
        madvise(lib.segments[i].begin, lib.segments[i].bytes, MADV_DONTNEED);
    }
}

static void load(void)
{
    void *const handle = dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_LOCAL);
    bool all = true;

    if (handle == NULL) return;
#define FUNCTION(name) all = find(handle, "dnnl_" #name, &lib.name) && all;
    ONEDNN_FUNCTIONS(FUNCTION)
    ONEDNN_FUNCTIONS_OF_VERSION(FUNCTION)
#undef FUNCTION
    if (!all || lib.version()->major != DNNL_VERSION_MAJOR) return;
    if (!find(handle, "omp_get_max_threads", &lib.omp_get_max_threads) ||
        !find(handle, "omp_set_num_threads", &lib.omp_set_num_threads)) {
        lib.omp_get_max_threads = NULL;
        lib.omp_set_num_threads = NULL;
    }
    if (lib.set_primitive_cache_capacity(0) != dnnl_success) return;
    lib.is_ready = lib.engine_create(&lib.engine, dnnl_cpu, 0) == dnnl_success;
    find_segments();
    release_pages(); /* linking touched many that running does not */
}

bool onednn_ready(const device *d)
{
    if (!d->jit) return false;
    pthread_once(&lib_once, load);
    return lib.is_ready;
}

void onednn_rest(const device *d)
{
    if (onednn_ready(d) && atomic_load(&works_alive) == 0) release_pages();
}

int onednn_enter(void)
{
    if (lib.omp_get_max_threads == NULL) return 0;
    const int before = lib.omp_get_max_threads();
    if (before != 1) lib.omp_set_num_threads(1);
    return before;
}

void onednn_leave(int threads_before)
{
    if (lib.omp_get_max_threads == NULL) return;
    if (lib.omp_get_max_threads() != threads_before) lib.omp_set_num_threads(threads_before);
}

/* -- memory descriptors
 * ------------------------------------------------------------------------- */

#if DNNL_VERSION_MAJOR >= 3

static const_dnnl_memory_desc_t md_of(const onednn_desc *desc)
{
    return desc ? desc->md : NULL;
}

bool onednn_desc_make(onednn_desc *desc, uint32_t rank, const int64_t *dims, const int64_t *strides)
{
    desc->md = NULL;
    return lib.memory_desc_create_with_strides(&desc->md, (int)rank, dims, dnnl_f32, strides) ==
           dnnl_success;
}

bool onednn_desc_any(onednn_desc *desc, uint32_t rank, const int64_t *dims)
{
    desc->md = NULL;
    return lib.memory_desc_create_with_tag(&desc->md, (int)rank, dims, dnnl_f32,
                                           dnnl_format_tag_any) == dnnl_success;
}

void onednn_desc_drop(onednn_desc *desc)
{
    if (desc->md != NULL) lib.memory_desc_destroy(desc->md);
    desc->md = NULL;
}

static bool md_copy(onednn_desc *desc, const_dnnl_memory_desc_t md)
{
    desc->md = NULL;
    return lib.memory_desc_clone(&desc->md, md) == dnnl_success;
}

typedef struct saved_desc {
    size_t bytes;
    uint8_t blob[];
} saved_desc;

const void *onednn_desc_save(const onednn_desc *desc, region *home)
{
    size_t bytes = 0;

    if (lib.memory_desc_get_blob(NULL, &bytes, desc->md) != dnnl_success) return NULL;
    saved_desc *saved = region_alloc(home, 1, sizeof *saved + bytes);
    if (saved == NULL) return NULL;
    saved->bytes = bytes;
    return lib.memory_desc_get_blob(saved->blob, &bytes, desc->md) == dnnl_success ? saved : NULL;
}

bool onednn_desc_load(onednn_desc *desc, const void *saved)
{
    const saved_desc *s = saved;

    desc->md = NULL;
    return lib.memory_desc_create_with_blob(&desc->md, s->blob) == dnnl_success;
}

#else

static const dnnl_memory_desc_t *md_of(const onednn_desc *desc)
{
    return desc ? &desc->md : NULL;
}

bool onednn_desc_make(onednn_desc *desc, uint32_t rank, const int64_t *dims, const int64_t *strides)
{
    desc->is_set = lib.memory_desc_init_by_strides(&desc->md, (int)rank, dims, dnnl_f32, strides) ==
                   dnnl_success;
    return desc->is_set;
}

bool onednn_desc_any(onednn_desc *desc, uint32_t rank, const int64_t *dims)
{
    desc->is_set = lib.memory_desc_init_by_tag(&desc->md, (int)rank, dims, dnnl_f32,
                                               dnnl_format_tag_any) == dnnl_success;
    return desc->is_set;
}

void onednn_desc_drop(onednn_desc *desc)
{
    desc->is_set = false;
}

static bool md_copy(onednn_desc *desc, const dnnl_memory_desc_t *md)
{
    desc->md = *md;
    desc->is_set = true;
    return true;
}

const void *onednn_desc_save(const onednn_desc *desc, region *home)
{
    dnnl_memory_desc_t *saved = region_new(home, dnnl_memory_desc_t, 1);

    if (saved != NULL) *saved = desc->md;
    return saved;
}

bool onednn_desc_load(onednn_desc *desc, const void *saved)
{
    return md_copy(desc, saved);
}

#endif

bool onednn_desc_copy(onednn_desc *to, const onednn_desc *from)
{
    return md_copy(to, md_of(from));
}

bool onednn_desc_equal(const onednn_desc *a, const onednn_desc *b)
{
    return lib.memory_desc_equal(md_of(a), md_of(b)) != 0;
}

size_t onednn_desc_bytes(const onednn_desc *desc)
{
    return lib.memory_desc_get_size(md_of(desc));
}

/* -- operations
 * --------------------------------------------------------------------------------- */

static bool append_post(dnnl_post_ops_t list, const onednn_post *p)
{
    dnnl_status_t status;

    if (p->kind == ONEDNN_POST_ELTWISE) {
#if DNNL_VERSION_MAJOR >= 3
        status = lib.post_ops_append_eltwise(list, p->function, p->alpha, p->beta);
#else
        status = lib.post_ops_append_eltwise(list, 1.0f, p->function, p->alpha, p->beta);
#endif
    } else if (p->kind == ONEDNN_POST_SUM) {
#if DNNL_VERSION_MAJOR >= 3
        status = lib.post_ops_append_sum(list, 1.0f, 0, dnnl_f32);
#else
        status = lib.post_ops_append_sum(list, 1.0f);
#endif
    } else {
        status = lib.post_ops_append_binary(
            list, p->kind == ONEDNN_POST_MUL ? dnnl_binary_mul : dnnl_binary_add,
            md_of(p->operand));
    }
    return status == dnnl_success;
}

/* User scratchpad and the post-ops. NULL: no memory, or a post-op this library refuses. */
static dnnl_primitive_attr_t attr_make(const onednn_posts *posts)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t list = NULL;
    bool good = lib.primitive_attr_create(&attr) == dnnl_success;

    good = good &&
           lib.primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success;
    if (good && posts != NULL && posts->count > 0) {
        good = lib.post_ops_create(&list) == dnnl_success;
        for (uint32_t i = 0; good && i < posts->count; i++)
            good = append_post(list, &posts->items[i]);
        good = good && lib.primitive_attr_set_post_ops(attr, list) == dnnl_success;
        if (list != NULL) lib.post_ops_destroy(list);
    }
    if (good) return attr;
    if (attr != NULL) lib.primitive_attr_destroy(attr);
    return NULL;
}

const char *onednn_work_name(const_dnnl_primitive_desc_t work)
{
    const char *name = NULL;

    if (lib.primitive_desc_query(work, dnnl_query_impl_info_str, 0, &name) != dnnl_success)
        return "";
    return name != NULL ? name : "";
}

/* Reference code is slower than ebb's portable rows: refuse it. */
static dnnl_primitive_desc_t refuse_slow(dnnl_primitive_desc_t work)
{
    if (work != NULL) atomic_fetch_add(&works_alive, 1);
    if (work == NULL || strstr(onednn_work_name(work), "ref") == NULL) return work;
    atomic_fetch_sub(&works_alive, 1);
    lib.primitive_desc_destroy(work);
    return NULL;
}

typedef union work_desc {
    int unused;
#if DNNL_VERSION_MAJOR < 3
    dnnl_convolution_desc_t conv;
    dnnl_deconvolution_desc_t conv_transpose;
    dnnl_matmul_desc_t matmul;
    dnnl_pooling_v2_desc_t pool;
#endif
} work_desc;

/* Makes a work from `operands` by the expression `CALL`, which sees `attr` and `work` (3.x) or
 * `d` (2.x). */
#if DNNL_VERSION_MAJOR >= 3
#define WORK_MAKE(posts, member, CALL_2, CALL_3)                                                   \
    dnnl_primitive_desc_t work = NULL;                                                             \
    const dnnl_primitive_attr_t attr = attr_make(posts);                                           \
    if (attr == NULL) return NULL;                                                                 \
    if ((CALL_3) != dnnl_success) work = NULL;                                                     \
    lib.primitive_attr_destroy(attr);                                                              \
    return refuse_slow(work)
#else
#define WORK_MAKE(posts, member, CALL_2, CALL_3)                                                   \
    dnnl_primitive_desc_t work = NULL;                                                             \
    work_desc d;                                                                                   \
    const dnnl_primitive_attr_t attr = attr_make(posts);                                           \
    if (attr == NULL) return NULL;                                                                 \
    if ((CALL_2) != dnnl_success ||                                                                \
        lib.primitive_desc_create(&work, &d.member, attr, lib.engine, NULL) != dnnl_success)       \
        work = NULL;                                                                               \
    lib.primitive_attr_destroy(attr);                                                              \
    return refuse_slow(work)
#endif

dnnl_primitive_desc_t onednn_conv_work(const onednn_operands *o, const onednn_window *w)
{
    WORK_MAKE(o->posts, conv,
              lib.dilated_convolution_forward_desc_init(
                  &d.conv, dnnl_forward_inference, dnnl_convolution_direct, md_of(o->source),
                  md_of(o->weights), md_of(o->bias), md_of(o->destination), w->strides,
                  w->dilations, w->pad_before, w->pad_after),
              lib.convolution_forward_primitive_desc_create(
                  &work, lib.engine, dnnl_forward_inference, dnnl_convolution_direct,
                  md_of(o->source), md_of(o->weights), md_of(o->bias), md_of(o->destination),
                  w->strides, w->dilations, w->pad_before, w->pad_after, attr));
}

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t gradient_kernel_create(dnnl_primitive_desc_t *work, const onednn_operands *o,
                                            const onednn_window *w, dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t forward = NULL; /* the library asks for what it is the gradient of */
    dnnl_status_t status = lib.convolution_forward_primitive_desc_create(
        &forward, lib.engine, dnnl_forward_training, dnnl_convolution_direct, md_of(o->source),
        md_of(o->weights), NULL, md_of(o->destination), w->strides, w->dilations, w->pad_before,
        w->pad_after, attr);

    if (status != dnnl_success) return status;
    status = lib.convolution_backward_weights_primitive_desc_create(
        work, lib.engine, dnnl_convolution_direct, md_of(o->source), md_of(o->weights), NULL,
        md_of(o->destination), w->strides, w->dilations, w->pad_before, w->pad_after, forward,
        attr);
    lib.primitive_desc_destroy(forward);
    return status;
}
#endif

dnnl_primitive_desc_t onednn_conv_gradient_kernel_work(const onednn_operands *o,
                                                       const onednn_window *w)
{
    WORK_MAKE(o->posts, conv,
              lib.dilated_convolution_backward_weights_desc_init(
                  &d.conv, dnnl_convolution_direct, md_of(o->source), md_of(o->weights), NULL,
                  md_of(o->destination), w->strides, w->dilations, w->pad_before, w->pad_after),
              gradient_kernel_create(&work, o, w, attr));
}

dnnl_primitive_desc_t onednn_conv_transpose_work(const onednn_operands *o, const onednn_window *w)
{
    WORK_MAKE(o->posts, conv_transpose,
              lib.dilated_deconvolution_forward_desc_init(
                  &d.conv_transpose, dnnl_forward_inference, dnnl_deconvolution_direct,
                  md_of(o->source), md_of(o->weights), md_of(o->bias), md_of(o->destination),
                  w->strides, w->dilations, w->pad_before, w->pad_after),
              lib.deconvolution_forward_primitive_desc_create(
                  &work, lib.engine, dnnl_forward_inference, dnnl_deconvolution_direct,
                  md_of(o->source), md_of(o->weights), md_of(o->bias), md_of(o->destination),
                  w->strides, w->dilations, w->pad_before, w->pad_after, attr));
}

dnnl_primitive_desc_t onednn_matmul_work(const onednn_operands *o)
{
    WORK_MAKE(o->posts, matmul,
              lib.matmul_desc_init(&d.matmul, md_of(o->source), md_of(o->weights), md_of(o->bias),
                                   md_of(o->destination)),
              lib.matmul_primitive_desc_create(&work, lib.engine, md_of(o->source),
                                               md_of(o->weights), md_of(o->bias),
                                               md_of(o->destination), attr));
}

dnnl_primitive_desc_t onednn_pool_work(const onednn_operands *o, const onednn_window *w,
                                       bool is_max)
{
    const dnnl_alg_kind_t kind = is_max ? dnnl_pooling_max : dnnl_pooling_avg_exclude_padding;

    WORK_MAKE(o->posts, pool,
              lib.pooling_v2_forward_desc_init(
                  &d.pool, dnnl_forward_inference, kind, md_of(o->source), md_of(o->destination),
                  w->strides, w->kernel, w->dilations, w->pad_before, w->pad_after),
              lib.pooling_forward_primitive_desc_create(
                  &work, lib.engine, dnnl_forward_inference, kind, md_of(o->source),
                  md_of(o->destination), w->strides, w->kernel, w->dilations, w->pad_before,
                  w->pad_after, attr));
}

dnnl_primitive_desc_t onednn_reorder_work(const onednn_desc *source, const onednn_desc *destination)
{
    dnnl_primitive_desc_t work = NULL;
    const dnnl_primitive_attr_t attr = attr_make(NULL);

    if (attr == NULL) return NULL;
    if (lib.reorder_primitive_desc_create(&work, md_of(source), lib.engine, md_of(destination),
                                          lib.engine, attr) != dnnl_success)
        work = NULL;
    lib.primitive_attr_destroy(attr);
    if (work != NULL) atomic_fetch_add(&works_alive, 1);
    return work;
}

bool onednn_work_weights(const_dnnl_primitive_desc_t work, onednn_desc *desc)
{
    return md_copy(desc, lib.primitive_desc_query_md(work, dnnl_query_weights_md, 0));
}

bool onednn_work_scratch(const_dnnl_primitive_desc_t work, onednn_desc *desc)
{
    return md_copy(desc, lib.primitive_desc_query_md(work, dnnl_query_scratchpad_md, 0));
}

bool onednn_work_argument(const_dnnl_primitive_desc_t work, int id, onednn_desc *desc)
{
    return md_copy(desc, lib.primitive_desc_query_md(work, dnnl_query_exec_arg_md, id));
}

void onednn_work_drop(dnnl_primitive_desc_t work)
{
    if (work == NULL) return;
    lib.primitive_desc_destroy(work);
    atomic_fetch_sub(&works_alive, 1);
}

dnnl_primitive_t onednn_prim_make(const_dnnl_primitive_desc_t work)
{
    dnnl_primitive_t prim = NULL;

    return lib.primitive_create(&prim, work) == dnnl_success ? prim : NULL;
}

void onednn_prim_drop(dnnl_primitive_t prim)
{
    if (prim != NULL) lib.primitive_destroy(prim);
}

void onednn_prim_run(dnnl_primitive_t prim, dnnl_stream_t stream, int count,
                     const dnnl_exec_arg_t *arguments)
{
    lib.primitive_execute(prim, stream, count, arguments);
}

/* -- running
 * ------------------------------------------------------------------------------------ */

dnnl_stream_t onednn_stream_make(void)
{
    dnnl_stream_t stream = NULL;

    return lib.stream_create(&stream, lib.engine, dnnl_stream_default_flags) == dnnl_success
               ? stream
               : NULL;
}

void onednn_stream_drop(dnnl_stream_t stream)
{
    if (stream != NULL) lib.stream_destroy(stream);
}

dnnl_memory_t onednn_memory_make(const onednn_desc *desc, void *data)
{
    dnnl_memory_t memory = NULL;

    /* DNNL_MEMORY_ALLOCATE is (void *)-1 and NULL is DNNL_MEMORY_NONE: neither lets the library
     * allocate here */
    return lib.memory_create(&memory, md_of(desc), lib.engine, data) == dnnl_success ? memory
                                                                                     : NULL;
}

void onednn_memory_move(dnnl_memory_t memory, void *data)
{
    lib.memory_set_data_handle(memory, data);
}

void onednn_memory_drop(dnnl_memory_t memory)
{
    if (memory != NULL) lib.memory_destroy(memory);
}
