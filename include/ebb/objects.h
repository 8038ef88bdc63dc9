/**
 * @file objects.h
 * What ebb knows of Keras by name: layers, optimizers, losses and the rest, each with the
 * parameters of its constructor in Keras 3.
 *
 *     for (uint32_t i = 0; ebb_object_read(EBB_OBJECT_LAYER, i, &object); i++)
 *         for (uint32_t k = 0; ebb_parameter_read(EBB_OBJECT_LAYER, i, k, &parameter); k++)
 *             printf("%s.%s = %s\n", object.name, parameter.name, parameter.otherwise);
 *
 * The tables are those that files are read by. Texts behind pointers are in static storage.
 * Threads: any thread may call anything.
 */
#ifndef EBB_OBJECTS_H
#define EBB_OBJECTS_H

#include "ebb/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ebb_object_kind {
    EBB_OBJECT_LAYER = 1,
    EBB_OBJECT_ACTIVATION,
    EBB_OBJECT_OPTIMIZER,
    EBB_OBJECT_SCHEDULE, /**< of learning rates */
    EBB_OBJECT_LOSS,
    EBB_OBJECT_METRIC,
    EBB_OBJECT_CALLBACK,
    EBB_OBJECT_INITIALIZER,
    EBB_OBJECT_REGULARIZER,
    EBB_OBJECT_CONSTRAINT,
    EBB_OBJECT_KIND_COUNT /**< the kinds are those from 1 on and below this */
} ebb_object_kind;

/** "layer", "activation", ... "constraint"; NULL for any other number. */
EBB_API const char *ebb_object_kind_name(ebb_object_kind kind);

typedef struct ebb_object_info {
    const char *name;    /**< Keras's class: "Dense", "MeanSquaredError"; of an activation, its
                              function: "relu" */
    const char *symbol;  /**< the name in small letters: "dense"; of losses and many metrics the
                              function: "mean_squared_error" */
    const char *aliases; /**< other names, "A|B": "mse|MSE"; NULL = none */
    const char *family;  /**< of layers: "core", "convolution", ...; NULL for others */
    uint32_t parameters; /**< of the constructor, name and dtype included where Keras lists them */
    bool takes_keywords; /**< and any of what every object of its kind takes (**kwargs): name,
                              dtype, trainable ... */
    uint64_t reserved[4];
} ebb_object_info;

/** Room for the default of any parameter. */
#define EBB_DEFAULT_BYTES 96

/** One parameter of a constructor. */
typedef struct ebb_parameter_info {
    char name[48]; /**< "units" */
    /** What it takes: "integer", "number", "bool", "text", "choice" (one of `choices`), "list" (an
     *  integer or a list of integers), "numbers" (a number or a list of numbers), "activation",
     *  "initializer", "regularizer", "constraint", "dtype", "seed", "layer", "layers",
     *  "optimizer", "function", "rate" (a number or a schedule), "any" */
    const char *kind;
    const char *choices;               /**< "valid|same" of kind "choice"; NULL otherwise */
    char otherwise[EBB_DEFAULT_BYTES]; /**< the default as JSON: `null`, `0.001`, `"same"`,
                                            `[1, 1]`; "" when the parameter is required */
    bool required;
    bool by_name; /**< keyword only */
    uint64_t reserved[4];
} ebb_parameter_info;

/** Number of objects of a kind; 0 where there is no such kind. */
EBB_API uint32_t ebb_object_count(ebb_object_kind kind);
/** Object `index`, in the order of the tables. @return false if it is out of range */
EBB_API bool ebb_object_read(ebb_object_kind kind, uint32_t index, ebb_object_info *info);
/** The object that any of its names means, as files and strings of Keras name it ("mse",
 *  "MeanSquaredError"). @return false if there is none */
EBB_API bool ebb_object_find(ebb_object_kind kind, const char *name, uint32_t *index);
/** Parameter number `parameter` of an object, in the order of Keras's constructor.
 *  @return false if any of them is out of range */
EBB_API bool ebb_parameter_read(ebb_object_kind kind, uint32_t object, uint32_t parameter,
                                ebb_parameter_info *info);

#ifdef __cplusplus
}
#endif
#endif
